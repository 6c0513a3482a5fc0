"""What a client asks of a chat: turns, tools, the form of the answer. Checked for itself, never changed.

Not here: the wire's fields (each face has its own), harmony (`chat.conversation`), limits of the model.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

from gateway.chat.turns import Turn
from gateway.harmony.settings import FunctionTool, ReasoningEffort, check_named_once
from gateway.options import GenerationOptions
from protos.errors import InvalidRequestError
from workers.grammar.spec import GrammarSpec


class ToolUse(Enum):
    """What the model may do with the tools that are declared."""

    NONE = auto()
    AUTO = auto()
    REQUIRED = auto()  # it must call one, of its choice or by name


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`name` is the one tool that must be called."""

    use: ToolUse = ToolUse.AUTO
    name: str | None = None

    def __post_init__(self) -> None:
        assert self.name is None or self.use is ToolUse.REQUIRED, "only a call that must be made has a name"


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """What `final` must look like; the model is told, and held to it."""

    grammar: GrammarSpec
    name: str = "response"
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """`is_enveloped` makes malformed harmony impossible; a tool that is required or strict, or a format, does
    so anyway.
    """

    turns: tuple[Turn, ...]
    tools: tuple[FunctionTool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    answer_format: AnswerFormat | None = None
    effort: ReasoningEffort = ReasoningEffort.MEDIUM
    options: GenerationOptions = field(default_factory=GenerationOptions)
    is_enveloped: bool = False

    def __post_init__(self) -> None:
        if not self.turns:
            raise InvalidRequestError("the conversation is empty; send at least one message").about(
                "messages"
            )
        check_named_once(self.tools)
        names = [tool.name for tool in self.tools]
        choice = self.tool_choice
        if choice.use is ToolUse.REQUIRED and not names:
            raise InvalidRequestError(
                "a tool must be called and none is declared; declare it, or leave the choice out"
            ).about("tool_choice")
        if choice.name is not None and choice.name not in names:
            raise InvalidRequestError(
                f"the tool {choice.name!r} must be called and is not declared; declared: {', '.join(names)}"
            ).about("tool_choice")

    @property
    def needs_envelope(self) -> bool:
        return (
            self.is_enveloped
            or self.tool_choice.use is ToolUse.REQUIRED
            or self.answer_format is not None
            or any(tool.is_strict for tool in self.tools)
        )
