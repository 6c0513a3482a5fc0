"""What a client asks of a response, whatever the wire. Checked for itself, never changed.

Not here: the wire's fields and which of them are refused (the face), items that are kept (`responses`).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.chat.chat_request import AnswerFormat, ChatRequest, ToolChoice, ToolUse
from gateway.harmony.settings import FunctionTool, ReasoningEffort
from gateway.options import GenerationOptions
from gateway.responses.call_pairs import check_calls
from gateway.responses.item_turns import turns_of
from gateway.responses.items import Item, ItemReference
from model.sampling.parameters import SamplingParameters
from protos.errors import InvalidRequestError
from workers.grammar.spec import GrammarSpec


@dataclass(frozen=True, slots=True)
class ToolSelection:
    """`allowed`, if given: the names of the tools that may be called; the others are as if undeclared."""

    choice: ToolChoice = field(default_factory=ToolChoice)
    allowed: tuple[str, ...] | None = None


class FormatKind(StrEnum):
    TEXT = "text"
    JSON_OBJECT = "json_object"
    JSON_SCHEMA = "json_schema"


@dataclass(frozen=True, slots=True)
class TextFormat:
    """What the answer must look like; name, schema and the rest are of JSON_SCHEMA alone."""

    kind: FormatKind = FormatKind.TEXT
    name: str = "response"
    schema: Mapping[str, object] = field(default_factory=dict)
    description: str | None = None
    is_strict: bool = False

    def answer_format(self) -> AnswerFormat | None:
        match self.kind:
            case FormatKind.TEXT:
                return None
            case FormatKind.JSON_OBJECT:
                return AnswerFormat(GrammarSpec.json_object())
            case FormatKind.JSON_SCHEMA:
                grammar = GrammarSpec.json_schema(json.dumps(self.schema, ensure_ascii=False))
                return AnswerFormat(grammar, self.name, self.description)


@dataclass(frozen=True, slots=True)
class Labels:
    """What a client attaches for itself: it is given back, and means nothing here."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    max_tool_calls: int | None = None  # of tools that run here, and none does
    reasoning_summary: str | None = None  # reasoning is given whole instead


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """`model` as the client calls it. `instructions` are of this response alone: what follows has its own."""

    model: str
    input: tuple[Item | ItemReference, ...]
    instructions: str | None = None
    previous_response_id: str | None = None
    tools: tuple[FunctionTool, ...] = ()
    tool_selection: ToolSelection = field(default_factory=ToolSelection)
    parallel_tool_calls: bool = True
    text_format: TextFormat = field(default_factory=TextFormat)
    effort: ReasoningEffort = ReasoningEffort.MEDIUM
    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    max_output_tokens: int | None = None
    is_stored: bool = True
    is_background: bool = False
    labels: Labels = field(default_factory=Labels)

    def __post_init__(self) -> None:
        if not self.input and self.previous_response_id is None:
            raise InvalidRequestError("the input is empty; send text, or at least one item").about("input")
        if self.is_background and not self.is_stored:
            raise InvalidRequestError(
                "a response in the background is fetched later, so it must be stored; leave out store=false, "
                "or background"
            ).about("store")
        self._check_allowed()

    @property
    def offered_tools(self) -> tuple[FunctionTool, ...]:
        """Those that the model is told of this time."""
        allowed = self.tool_selection.allowed
        return self.tools if allowed is None else tuple(t for t in self.tools if t.name in allowed)

    def chat_request(self, context: tuple[Item, ...]) -> ChatRequest:
        """`context`: all items that the answer is to follow, the input included; it is checked here."""
        check_calls(context)
        turns = turns_of(self.instructions, context)
        if not turns:
            raise InvalidRequestError("nothing of the input is for the model; send a message").about("input")
        options = GenerationOptions(self.sampling, self.max_output_tokens)
        return ChatRequest(
            turns,
            self.offered_tools,
            self.tool_selection.choice,
            self.text_format.answer_format(),
            self.effort,
            options,
        )

    def _check_allowed(self) -> None:
        names = [tool.name for tool in self.tools]
        for name in self.tool_selection.allowed or ():
            if name not in names:
                raise InvalidRequestError(
                    f"the tool {name!r} is allowed and not declared; declared are "
                    f"{', '.join(names) or 'none'}"
                ).about("tool_choice")
        if self.tool_selection.choice.use is ToolUse.REQUIRED and self.tool_selection.allowed == ():
            raise InvalidRequestError(
                "a tool must be called and the list of allowed ones is empty; allow at least one"
            ).about("tool_choice")
