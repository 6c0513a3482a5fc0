"""The body of a chat completion, field by field, and the ChatRequest that it is."""

from typing import Annotated, Any, Literal

from pydantic import Field

from gateway.chat.chat_request import AnswerFormat, ChatRequest
from gateway.harmony.settings import ReasoningEffort
from gateway.http_face.answer_format import JsonSchemaFormat, ResponseFormat, grammar_of
from gateway.http_face.body_model import BodyModel, Ignored, Refused
from gateway.http_face.chat.messages import MAX_MESSAGES, Message, turns_of
from gateway.http_face.chat.tools import MAX_TOOLS, Choice, Tool, functions_of, tool_choice_of
from gateway.http_face.generation_body import GenerationBody, TokenCount, TopLogprobs
from protos.errors import InvalidRequestError

Effort = Literal["low", "medium", "high"]


class Reasoning(BodyModel):
    effort: Effort | None = None
    max_tokens: Annotated[
        TokenCount | None, Field(description="of reasoning, which then ends and the answer begins")
    ] = None
    summary: Annotated[Any, Refused("reasoning is given as it is; leave it out", ("auto",))] = None


class ChatBody(GenerationBody):
    """Fields of OpenAI's that are not here are unknown, and an error."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[TokenCount | None, Field(description="the newer name of max_tokens")] = (
        None
    )
    reasoning_effort: Effort | None = None
    reasoning: Reasoning | None = None
    tools: Annotated[list[Tool] | None, Field(max_length=MAX_TOOLS)] = None
    tool_choice: Choice | None = None
    parallel_tool_calls: Annotated[
        bool | None, Field(description="harmony makes one call a turn, whatever this says")
    ] = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[TopLogprobs | None, Field(description="only with logprobs")] = None
    metadata: Annotated[Any, Ignored("nothing is kept")] = None
    store: Annotated[Any, Ignored("nothing is kept")] = None
    service_tier: Annotated[Any, Ignored("there is one tier")] = None
    safety_identifier: Annotated[Any, Ignored("nothing here depends on the end user")] = None
    prompt_cache_key: Annotated[Any, Ignored("prefixes are found by what they hold")] = None
    prompt_cache_retention: Annotated[Any, Ignored("prefixes stay as long as there is room")] = None
    prediction: Annotated[Any, Ignored("it could only make an answer faster, and does not")] = None
    verbosity: Annotated[Any, Refused("gpt-oss has no such switch; say it in a message", ("medium",))] = None
    modalities: Annotated[Any, Refused("gpt-oss writes text alone", (["text"],))] = None
    audio: Annotated[Any, Refused("gpt-oss writes text alone")] = None
    web_search_options: Annotated[Any, Refused("there is no web search here; declare a tool")] = None
    functions: Annotated[Any, Refused("it is out of use; send tools", ([],))] = None
    function_call: Annotated[Any, Refused("it is out of use; send tool_choice", ("none", "auto"))] = None

    def request(self) -> ChatRequest:
        """Raises InvalidRequestError about the field."""
        return ChatRequest(
            turns_of(self.messages),
            functions_of(self.tools or []),
            tool_choice_of(self.tool_choice),
            self._answer_format(),
            self._effort(),
            self.options(
                self._max_tokens(),
                self._num_logprobs(),
                reasoning_budget=None if self.reasoning is None else self.reasoning.max_tokens,
            ),
        )

    def _max_tokens(self) -> int | None:
        newer, older = self.max_completion_tokens, self.max_tokens
        if None not in (newer, older) and newer != older:
            raise InvalidRequestError(
                f"max_completion_tokens is {newer} and max_tokens {older}; they mean the same, so send one"
            ).about("max_tokens")
        return older if newer is None else newer

    def _effort(self) -> ReasoningEffort:
        short, long = self.reasoning_effort, None if self.reasoning is None else self.reasoning.effort
        if None not in (short, long) and short != long:
            raise InvalidRequestError(
                f"reasoning_effort is {short} and reasoning.effort {long}; they mean the same, so send one"
            ).about("reasoning_effort")
        return ReasoningEffort(short or long or ReasoningEffort.MEDIUM)

    def _num_logprobs(self) -> int | None:
        if self.logprobs:
            return self.top_logprobs or 0
        if self.top_logprobs:
            raise InvalidRequestError(
                f"top_logprobs is {self.top_logprobs} and logprobs is not true; send both"
            ).about("top_logprobs")
        return None

    def _answer_format(self) -> AnswerFormat | None:
        grammar = grammar_of(self.response_format)
        if grammar is None:
            return None
        if isinstance(self.response_format, JsonSchemaFormat):
            schema = self.response_format.json_schema
            return AnswerFormat(grammar, schema.name, schema.description)
        return AnswerFormat(grammar)
