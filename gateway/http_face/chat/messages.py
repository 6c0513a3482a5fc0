"""Messages as OpenAI's clients send them, and the turns that they are.

What an answer of ours holds may be sent back as it came: fields of answers that say nothing here are ignored.
Not here: harmony (`gateway.chat`).
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from gateway.chat.turns import AssistantTurn, InstructionTurn, ToolCall, ToolTurn, Turn, UserTurn
from gateway.http_face.body_check import TAG
from gateway.http_face.body_model import BodyModel, Ignored, Refused
from gateway.http_face.generation_body import string_or_list
from protos.errors import InvalidRequestError

MAX_MESSAGES = 10_000
MAX_CALLS = 1024

_NAME = Ignored("the model is not told who of several speaks")
_OF_ANSWERS = Ignored("a field of answers that says nothing here")
_TEXT_ONLY = "gpt-oss reads and writes text alone"


class TextPart(BodyModel):
    type: Literal["text"]
    text: str
    cache_control: Annotated[Any, Ignored("prefixes are cached anyway")] = None


class RefusalPart(BodyModel):
    type: Literal["refusal"]
    refusal: str


class OtherPart(BodyModel):
    """What other models read."""

    type: Literal["image_url", "input_audio", "file", "audio", "video_url"]
    image_url: Any = None
    input_audio: Any = None
    file: Any = None
    audio: Any = None
    video_url: Any = None


def _part_kind(value: object) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"{TAG}{kind if kind in ('text', 'refusal') else 'other'}"


def _role(value: object) -> str:
    role = value.get("role") if isinstance(value, dict) else None
    return f"{TAG}{role}"


Part = Annotated[
    Annotated[TextPart, Tag(f"{TAG}text")]
    | Annotated[RefusalPart, Tag(f"{TAG}refusal")]
    | Annotated[OtherPart, Tag(f"{TAG}other")],
    Discriminator(_part_kind),
]
Content = Annotated[
    Annotated[str, Tag(f"{TAG}string")] | Annotated[list[Part], Tag(f"{TAG}list"), Field(max_length=10_000)],
    Discriminator(string_or_list),
]


class CalledFunction(BodyModel):
    name: Annotated[str, Field(min_length=1, max_length=256)]
    arguments: Annotated[str, Field(description="JSON, as the model wrote it")]


class MessageToolCall(BodyModel):
    id: Annotated[str, Field(min_length=1, max_length=256)]
    type: Literal["function"]
    function: CalledFunction
    index: Annotated[Any, _OF_ANSWERS] = None


class SystemMessage(BodyModel):
    role: Literal["system"]
    content: Content
    name: Annotated[str | None, _NAME] = None


class DeveloperMessage(BodyModel):
    """The newer name of a system message."""

    role: Literal["developer"]
    content: Content
    name: Annotated[str | None, _NAME] = None


class UserMessage(BodyModel):
    role: Literal["user"]
    content: Content
    name: Annotated[str | None, _NAME] = None


class AssistantMessage(BodyModel):
    """What an answer held. `reasoning` and `reasoning_content` are two names of one thing."""

    role: Literal["assistant"]
    content: Content | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: Annotated[str | None, Field(description="stands for the content where there is none")] = None
    tool_calls: Annotated[list[MessageToolCall] | None, Field(max_length=MAX_CALLS)] = None
    name: Annotated[str | None, _NAME] = None
    annotations: Annotated[Any, _OF_ANSWERS] = None
    audio: Annotated[Any, Refused(_TEXT_ONLY)] = None
    function_call: Annotated[Any, Refused("it is out of use; send tool_calls")] = None


class ToolMessage(BodyModel):
    role: Literal["tool"]
    content: Content
    tool_call_id: Annotated[str, Field(min_length=1, max_length=256)]
    name: Annotated[str | None, _NAME] = None


Message = Annotated[
    Annotated[SystemMessage, Tag(f"{TAG}system")]
    | Annotated[DeveloperMessage, Tag(f"{TAG}developer")]
    | Annotated[UserMessage, Tag(f"{TAG}user")]
    | Annotated[AssistantMessage, Tag(f"{TAG}assistant")]
    | Annotated[ToolMessage, Tag(f"{TAG}tool")],
    Discriminator(_role),
]


def turns_of(messages: Sequence[Message]) -> tuple[Turn, ...]:
    """Raises InvalidRequestError about the message."""
    return tuple(_turn(message, f"messages[{index}]") for index, message in enumerate(messages))


def _turn(message: Message, place: str) -> Turn:
    match message:
        case SystemMessage() | DeveloperMessage():
            return InstructionTurn(_text(message.content, place))
        case UserMessage():
            return UserTurn(_text(message.content, place))
        case AssistantMessage():
            return _assistant_turn(message, place)
        case ToolMessage():
            return ToolTurn(message.tool_call_id, _text(message.content, place))


def _assistant_turn(message: AssistantMessage, place: str) -> AssistantTurn:
    content = "" if message.content is None else _text(message.content, place)
    reasoning = message.reasoning or message.reasoning_content or ""
    if message.reasoning and message.reasoning_content not in (None, "", message.reasoning):
        raise InvalidRequestError(
            f"{place} has a reasoning and another reasoning_content; they mean the same, so send one"
        ).about(f"{place}.reasoning_content")
    calls = tuple(
        ToolCall(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()
    )
    text = content or message.refusal or ""
    if not (text or reasoning or calls) and message.content is None:
        raise InvalidRequestError(
            f"{place} says nothing; an assistant's message has content, reasoning or tool_calls"
        ).about(f"{place}.content")
    return AssistantTurn(reasoning, text, calls)


def _text(content: str | list[TextPart | RefusalPart | OtherPart], place: str) -> str:
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for index, part in enumerate(content):
        match part:
            case TextPart():
                texts.append(part.text)
            case RefusalPart():
                texts.append(part.refusal)
            case OtherPart():
                path = f"{place}.content[{index}].type"
                raise InvalidRequestError(f"{path} is {part.type!r}; {_TEXT_ONLY}").about(path)
    return "".join(texts)
