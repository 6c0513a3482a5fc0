"""Messages, as the renderer takes them and the parser's events describe them.

Not here: tokens, and which messages of a history are sent again (`history`).
"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.harmony.settings import Channel, DeveloperSettings, FunctionTool, SystemSettings
from protos.errors import InvalidRequestError

JSON_CONTENT = "<|constrain|>json"
"""The content type of a call's arguments, the control token by name."""


class Role(StrEnum):
    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"  # what a tool has answered


Content = str | SystemSettings | DeveloperSettings


@dataclass(frozen=True, slots=True)
class Message:
    """`contents` are tokenized one by one, as the parts of a client's message.

    `name` is the author's: of a tool always, of others where there are several. `channel` and `recipient` are
    plain text, since a model may have written any.
    """

    role: Role
    contents: tuple[Content, ...]
    name: str | None = None
    channel: str | None = None
    recipient: str | None = None
    content_type: str | None = None

    def __post_init__(self) -> None:
        if self.role is Role.TOOL and not self.name:
            raise InvalidRequestError("a tool's message has no name; name the tool that it is the answer of")
        for content in self.contents:
            _check_content(self.role, content)

    @classmethod
    def of(cls, role: Role, *contents: Content) -> "Message":
        return cls(role, contents)

    @classmethod
    def reasoning(cls, text: str) -> "Message":
        return cls(Role.ASSISTANT, (text,), channel=Channel.ANALYSIS)

    @classmethod
    def preamble(cls, text: str) -> "Message":
        """What the assistant says to the user before it calls."""
        return cls(Role.ASSISTANT, (text,), channel=Channel.COMMENTARY)

    @classmethod
    def final(cls, text: str) -> "Message":
        return cls(Role.ASSISTANT, (text,), channel=Channel.FINAL)

    @classmethod
    def call(cls, function_name: str, arguments: str) -> "Message":
        """The assistant's call of a declared function; `arguments` is JSON as the model wrote it."""
        recipient = FunctionTool(function_name).recipient
        return cls(
            Role.ASSISTANT,
            (arguments,),
            channel=Channel.COMMENTARY,
            recipient=recipient,
            content_type=JSON_CONTENT,
        )

    @classmethod
    def result(cls, function_name: str, output: str) -> "Message":
        """What a declared function has answered to a call."""
        name = FunctionTool(function_name).recipient
        return cls(
            Role.TOOL, (output,), name=name, channel=Channel.COMMENTARY, recipient=Role.ASSISTANT.value
        )

    @property
    def text(self) -> str:
        """Of a message of text alone."""
        return "".join(content for content in self.contents if isinstance(content, str))


def _check_content(role: Role, content: Content) -> None:
    wanted = {SystemSettings: Role.SYSTEM, DeveloperSettings: Role.DEVELOPER}.get(type(content), role)
    if wanted is not role:
        raise InvalidRequestError(
            f"settings of the {wanted.value} message stand in a message of the role {role.value}; put "
            f"them into one of the role {wanted.value}"
        )
