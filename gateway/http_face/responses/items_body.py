"""The items that a client sends as a response's input: the fields of each kind, and the items that they are.

Items that a response gave come back as they are, so every field that stands in those may stand here. Not
here: kinds that are not served at all (`refusals`).
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from gateway.http_face.body_check import TAG
from gateway.http_face.body_model import BodyModel, Ignored, Refused
from gateway.responses.items import (
    CallItem,
    CallOutputItem,
    Item,
    ItemReference,
    ItemStatus,
    MessageItem,
    Phase,
    ReasoningItem,
    Speaker,
)
from gateway.responses.response_writer import NewId
from protos.errors import InvalidRequestError

Id = Annotated[str | None, Ignored("an item of an input gets an id of its own")]
Status = Literal["in_progress", "completed", "incomplete"]
FunctionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
CallId = Annotated[str, Field(min_length=1, max_length=256)]
_NOT_DIRECT = Refused("a function is called by the model itself", ({"type": "direct"},))
_NO_NAMESPACE = Refused("functions have no namespaces here")


def item_kind(value: object) -> str:
    """The tag of an item: its type, which a message and a reference may leave out."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind is None and isinstance(value, dict):
        kind = "message" if "role" in value else "item_reference"
    return f"{TAG}{kind}"


class TextPart(BodyModel):
    """`text` of any of a message's parts."""

    type: Literal["input_text", "output_text", "text"]
    text: str
    annotations: Annotated[Any, Ignored("nothing here is cited")] = None
    logprobs: Annotated[Any, Ignored("they are told and not taken")] = None
    parsed: Annotated[Any, Ignored("the text says it")] = None
    prompt_cache_breakpoint: Annotated[Any, Ignored("prompts are cached wherever they can be")] = None


class RefusalPart(BodyModel):
    type: Literal["refusal"]
    refusal: str

    @property
    def text(self) -> str:
        return self.refusal


def part_kind(value: object) -> str:
    is_refusal = isinstance(value, dict) and value.get("type") == "refusal"
    return f"{TAG}refusal" if is_refusal else f"{TAG}text"


def text_kind(value: object) -> str:
    return f"{TAG}string" if isinstance(value, str) else f"{TAG}list"


Part = Annotated[
    Annotated[TextPart, Tag(f"{TAG}text")] | Annotated[RefusalPart, Tag(f"{TAG}refusal")],
    Discriminator(part_kind),
]
Content = Annotated[
    Annotated[str, Tag(f"{TAG}string")] | Annotated[list[Part], Tag(f"{TAG}list")], Discriminator(text_kind)
]


class MessageBody(BodyModel):
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    phase: Literal["commentary", "final_answer"] | None = None
    id: Id = None
    status: Status | None = None

    def item(self, new_id: NewId) -> Item:
        phase = None if self.phase is None else Phase(self.phase)
        return MessageItem(new_id("msg"), Speaker(self.role), texts_of(self.content), phase)


class ReasoningTextPart(BodyModel):
    type: Literal["reasoning_text", "summary_text"]
    text: str


class ReasoningBody(BodyModel):
    """Its text is that of `content`, or where there is none, that of `summary`."""

    type: Literal["reasoning"]
    content: list[ReasoningTextPart] | None = None
    summary: list[ReasoningTextPart] | None = None
    encrypted_content: Annotated[str | None, Ignored("reasoning is read from its text")] = None
    id: Id = None
    status: Status | None = None

    def item(self, new_id: NewId) -> Item:
        parts = self.content or self.summary or []
        if not parts and self.encrypted_content:
            raise InvalidRequestError(
                "a reasoning item has encrypted content alone, which another server has encrypted; send its "
                "text as content, or leave the item out"
            ).about("input")
        return ReasoningItem(new_id("rs"), "\n".join(part.text for part in parts))


class CallBody(BodyModel):
    type: Literal["function_call"]
    call_id: CallId
    name: FunctionName
    arguments: str
    id: Id = None
    status: Status | None = None
    parsed_arguments: Annotated[Any, Ignored("the arguments say it")] = None
    namespace: Annotated[str | None, _NO_NAMESPACE] = None
    caller: Annotated[Any, _NOT_DIRECT] = None

    def item(self, new_id: NewId) -> Item:
        status = ItemStatus.COMPLETED if self.status is None else ItemStatus(self.status)
        return CallItem(new_id("fc"), self.call_id, self.name, self.arguments, status)


class CallOutputBody(BodyModel):
    type: Literal["function_call_output"]
    call_id: CallId
    output: Content
    name: Annotated[str | None, Ignored("the call says it")] = None
    id: Id = None
    status: Status | None = None
    namespace: Annotated[str | None, _NO_NAMESPACE] = None
    caller: Annotated[Any, _NOT_DIRECT] = None

    def item(self, new_id: NewId) -> Item:
        return CallOutputItem(new_id("fco"), self.call_id, "".join(texts_of(self.output)))


class ReferenceBody(BodyModel):
    """Stands for an item of a response that is kept."""

    type: Literal["item_reference"] | None = None
    id: Annotated[str, Field(max_length=256)]

    def item(self, new_id: NewId) -> ItemReference:  # noqa: ARG002
        return ItemReference(self.id)


ItemBody = Annotated[
    Annotated[MessageBody, Tag(f"{TAG}message")]
    | Annotated[ReasoningBody, Tag(f"{TAG}reasoning")]
    | Annotated[CallBody, Tag(f"{TAG}function_call")]
    | Annotated[CallOutputBody, Tag(f"{TAG}function_call_output")]
    | Annotated[ReferenceBody, Tag(f"{TAG}item_reference")],
    Discriminator(item_kind),
]
Input = Annotated[
    Annotated[str, Tag(f"{TAG}string")] | Annotated[list[ItemBody], Tag(f"{TAG}list")],
    Discriminator(text_kind),
]


def texts_of(content: str | list[TextPart | RefusalPart]) -> tuple[str, ...]:
    return (content,) if isinstance(content, str) else tuple(part.text for part in content)
