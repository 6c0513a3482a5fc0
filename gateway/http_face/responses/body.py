"""The body of POST /v1/responses: its fields, strictly, and the `ResponseRequest` that they are.

docs/responses.md has the table of fields that are ignored or refused; a test holds it against these models.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from gateway.chat.chat_request import ToolChoice, ToolUse
from gateway.harmony.settings import FunctionTool, ReasoningEffort
from gateway.http_face.body_check import TAG, check_body, check_refused
from gateway.http_face.body_model import BodyModel, Ignored, Refused
from gateway.http_face.responses.items_body import FunctionName, Input
from gateway.http_face.responses.refusals import check_kinds
from gateway.responses.items import Item, ItemReference, MessageItem, Speaker
from gateway.responses.response_request import (
    FormatKind,
    Labels,
    ResponseRequest,
    TextFormat,
    ToolSelection,
)
from gateway.responses.response_writer import NewId
from model.sampling.parameters import MAX_LOGPROBS, SamplingParameters

Schema = dict[str, Any]
Label = Annotated[str, Field(max_length=512)]
MAX_LABELS = 16
MAX_LABEL_NAME = 64


class ToolBody(BodyModel):
    type: Literal["function"]
    name: FunctionName
    description: str | None = None
    parameters: Schema | None = None
    strict: Annotated[bool | None, Field(description="the arguments are held to their schema")] = None
    allowed_callers: Annotated[Any, Refused("the model calls functions directly", (["direct"],))] = None
    defer_loading: Annotated[Any, Refused("every tool is declared at once", (False,))] = None
    output_schema: Annotated[Any, Ignored("the model is told of arguments alone")] = None
    # "async" is refused as unknown: no field can have this name

    def tool(self) -> FunctionTool:
        return FunctionTool(self.name, self.description or "", self.parameters, bool(self.strict))


class NamedToolBody(BodyModel):
    type: Literal["function"]
    name: str


class AllowedToolsBody(BodyModel):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[NamedToolBody]


def _choice_kind(value: object) -> str:
    if isinstance(value, str):
        return f"{TAG}word"
    is_list = isinstance(value, dict) and value.get("type") == "allowed_tools"
    return f"{TAG}allowed" if is_list else f"{TAG}named"


Choice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag(f"{TAG}word")]
    | Annotated[NamedToolBody, Tag(f"{TAG}named")]
    | Annotated[AllowedToolsBody, Tag(f"{TAG}allowed")],
    Discriminator(_choice_kind),
]


class PlainFormatBody(BodyModel):
    type: Literal["text", "json_object"]


class SchemaFormatBody(BodyModel):
    type: Literal["json_schema"]
    name: FunctionName
    schema_: Annotated[Schema, Field(alias="schema")]
    description: str | None = None
    strict: bool | None = None


class TextBody(BodyModel):
    format: Annotated[PlainFormatBody | SchemaFormatBody | None, Field(discriminator="type")] = None
    verbosity: Annotated[str | None, Refused("the model has no such setting", ("medium",))] = None

    def text_format(self) -> TextFormat:
        if isinstance(self.format, SchemaFormatBody):
            schema = self.format
            return TextFormat(
                FormatKind.JSON_SCHEMA, schema.name, schema.schema_, schema.description, bool(schema.strict)
            )
        return TextFormat() if self.format is None else TextFormat(FormatKind(self.format.type))


class ReasoningSettingsBody(BodyModel):
    effort: Literal["low", "medium", "high"] | None = None
    summary: Annotated[
        Literal["auto", "concise", "detailed"] | None, Ignored("reasoning is given whole, as content")
    ] = None
    generate_summary: Annotated[Any, Ignored("as summary")] = None
    context: Annotated[str | None, Refused("the model's own rule holds: see history", ("auto",))] = None
    mode: Annotated[str | None, Refused("there is one mode", ("standard",))] = None


class StreamOptionsBody(BodyModel):
    include_obfuscation: Annotated[bool | None, Ignored("nothing is padded")] = None


_ELSEWHERE = "the conversation is the input, or what previous_response_id names"


class ResponseBody(BodyModel):
    """`response_request` reads one."""

    model: Annotated[str, Field(max_length=1024, description="a name that /v1/models lists")]
    input: Input | None = None
    instructions: str | None = None
    previous_response_id: Annotated[str | None, Field(max_length=256)] = None
    tools: list[ToolBody] | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: Annotated[bool | None, Ignored("the model calls one function at a time")] = None
    text: TextBody | None = None
    reasoning: ReasoningSettingsBody | None = None
    max_output_tokens: Annotated[int | None, Field(ge=1, lt=1 << 31)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    top_logprobs: Annotated[int | None, Field(ge=0, le=MAX_LOGPROBS)] = None
    include: list[Literal["message.output_text.logprobs", "reasoning.encrypted_content"]] | None = None
    store: bool | None = None
    background: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptionsBody | None = None
    metadata: Annotated[
        dict[Annotated[str, Field(max_length=MAX_LABEL_NAME)], Label] | None, Field(max_length=MAX_LABELS)
    ] = None
    user: Annotated[Label | None, Ignored("it is given back")] = None
    safety_identifier: Annotated[Label | None, Ignored("it is given back")] = None
    prompt_cache_key: Annotated[Label | None, Ignored("prompts are cached by what they hold")] = None
    prompt_cache_options: Annotated[Any, Ignored("prompts are cached wherever they can be")] = None
    prompt_cache_retention: Annotated[Any, Ignored("prompts are cached wherever they can be")] = None
    max_tool_calls: Annotated[int | None, Ignored("it counts tools that run at the server; none does")] = None
    service_tier: Annotated[str | None, Refused("there is one tier", ("auto", "default"))] = None
    truncation: Annotated[
        str | None, Refused("what does not fit is an error, and nothing is left out", ("disabled",))
    ] = None
    conversation: Annotated[Any, Refused(_ELSEWHERE)] = None
    context_management: Annotated[Any, Refused(_ELSEWHERE, ([],))] = None
    prompt: Annotated[Any, Refused("templates are not kept here; send instructions and input")] = None
    background_options: Annotated[Any, Refused("what runs in the background begins at once")] = None
    moderation: Annotated[Any, Refused("nothing is moderated")] = None
    access_programs: Annotated[Any, Refused("there are none")] = None
    image: Annotated[Any, Refused("this model reads text alone")] = None


def read_response_body(sent: dict[str, object]) -> ResponseBody:
    """Raises InvalidRequestError about the field."""
    check_kinds(sent)
    body = check_body(ResponseBody, sent)
    parts = (("text", body.text), ("reasoning", body.reasoning))
    for name, part in (*parts, *((f"tools[{i}]", tool) for i, tool in enumerate(body.tools or ()))):
        if part is not None:
            check_refused(part, name)
    for index, item in enumerate(body.input if isinstance(body.input, list) else ()):
        check_refused(item, f"input[{index}]")
    return body


def response_request(body: ResponseBody, new_id: NewId) -> ResponseRequest:
    return ResponseRequest(
        model=body.model,
        input=_items(body, new_id),
        instructions=body.instructions,
        previous_response_id=body.previous_response_id,
        tools=tuple(tool.tool() for tool in body.tools or ()),
        tool_selection=_selection(body.tool_choice),
        parallel_tool_calls=body.parallel_tool_calls is not False,
        text_format=TextFormat() if body.text is None else body.text.text_format(),
        effort=_effort(body.reasoning),
        sampling=_sampling(body),
        max_output_tokens=body.max_output_tokens,
        is_stored=body.store is not False,
        is_background=bool(body.background),
        labels=_labels(body),
    )


def _items(body: ResponseBody, new_id: NewId) -> tuple[Item | ItemReference, ...]:
    if isinstance(body.input, str):
        return (MessageItem(new_id("msg"), Speaker.USER, (body.input,)),)
    return tuple(item.item(new_id) for item in body.input or ())


def _selection(choice: str | NamedToolBody | AllowedToolsBody | None) -> ToolSelection:
    match choice:
        case None:
            return ToolSelection()
        case str():
            return ToolSelection(ToolChoice(ToolUse[choice.upper()]))
        case NamedToolBody():
            return ToolSelection(ToolChoice(ToolUse.REQUIRED, choice.name))
        case AllowedToolsBody():
            names = tuple(tool.name for tool in choice.tools)
            return ToolSelection(ToolChoice(ToolUse[choice.mode.upper()]), names)


def _effort(reasoning: ReasoningSettingsBody | None) -> ReasoningEffort:
    if reasoning is None or reasoning.effort is None:
        return ReasoningEffort.MEDIUM
    return ReasoningEffort(reasoning.effort)


def _sampling(body: ResponseBody) -> SamplingParameters:
    """Log-probabilities are given if either field asks for them."""
    is_included = "message.output_text.logprobs" in (body.include or ())
    return SamplingParameters(
        temperature=1.0 if body.temperature is None else body.temperature,
        top_p=1.0 if body.top_p is None else body.top_p,
        logprobs=(body.top_logprobs or 0) if is_included else body.top_logprobs or None,
    )


def _labels(body: ResponseBody) -> Labels:
    return Labels(
        metadata=body.metadata or {},
        user=body.user,
        safety_identifier=body.safety_identifier,
        prompt_cache_key=body.prompt_cache_key,
        max_tool_calls=body.max_tool_calls,
        reasoning_summary=None if body.reasoning is None else body.reasoning.summary,
    )
