"""What a chat's body asks of the core."""

from typing import Any

import pytest

from gateway.chat.chat_request import ToolChoice, ToolUse
from gateway.chat.turns import AssistantTurn, InstructionTurn, ToolCall, ToolTurn, UserTurn
from gateway.harmony.settings import ReasoningEffort
from gateway.http_face.body_check import check_body
from gateway.http_face.chat.body import ChatBody
from protos.errors import InvalidRequestError
from workers.grammar.spec import GrammarSpec

CHAT: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
OTHER = {"type": "function", "function": {"name": "g"}}
FILE = {"type": "file"}
LONG = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"a": "x" * 300_000}}}


def body(**change: Any) -> ChatBody:
    return check_body(ChatBody, {**CHAT, **change})


def test_messages_become_turns() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "index": 0}
    messages = [
        {"role": "system", "content": "One."},
        {"role": "developer", "content": [{"type": "text", "text": "Two"}, {"type": "text", "text": "."}]},
        {"role": "user", "content": "Hi", "name": "Ann"},
        {"role": "assistant", "content": None, "reasoning": "Hm.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "7"}]},
        {
            "role": "assistant",
            "content": "It is 7.",
            "reasoning_content": "So.",
            "annotations": [],
            "audio": None,
        },
        {"role": "assistant", "refusal": "No.", "content": None},
    ]
    assert body(messages=messages).request().turns == (
        InstructionTurn("One."),
        InstructionTurn("Two."),
        UserTurn("Hi"),
        AssistantTurn("Hm.", "", (ToolCall("c1", "f", "{}"),)),
        ToolTurn("c1", "7"),
        AssistantTurn("So.", "It is 7."),
        AssistantTurn("", "No."),
    )


def test_nothing_is_decided_for_who_says_nothing() -> None:
    request = body(temperature=None, tools=None, stop=None).request()
    options = request.options
    assert (options.max_tokens, options.num_choices, options.min_tokens, options.reasoning_budget) == (
        None,
        1,
        0,
        None,
    )
    assert options.sampling.temperature == 1.0
    assert (options.sampling.seed, options.sampling.logprobs, options.sampling.top_k) == (None, None, None)
    assert (request.effort, request.tool_choice, request.answer_format) == (
        ReasoningEffort.MEDIUM,
        ToolChoice(),
        None,
    )
    assert not request.needs_envelope


def test_sampling_arrives() -> None:
    options = body(
        temperature=0.25, top_p=0.5, top_k=7, min_p=0.125, presence_penalty=-1, frequency_penalty=1.5,
        repetition_penalty=1.25, logit_bias={"3": -100, "007": 2}, seed=-5, n=3, stop="END",
        stop_token_ids=[9], max_completion_tokens=40, min_tokens=2, logprobs=True, top_logprobs=4,
        reasoning={"max_tokens": 11},
    ).request().options  # fmt: skip
    sampling = options.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (0.25, 0.5, 7, 0.125)
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (-1, 1.5)
    assert (sampling.repetition_penalty, dict(sampling.logit_bias)) == (1.25, {3: -100, 7: 2})
    assert (sampling.seed, sampling.logprobs, options.num_choices) == (-5, 4, 3)
    assert (options.stop.strings, options.stop.token_ids) == (("END",), frozenset({9}))
    assert (options.max_tokens, options.min_tokens, options.reasoning_budget) == (40, 2, 11)


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("none", ToolChoice(ToolUse.NONE)),
        ("auto", ToolChoice()),
        ("required", ToolChoice(ToolUse.REQUIRED)),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice(ToolUse.REQUIRED, "f")),
    ],
)
def test_tools_are_chosen(choice: object, wanted: ToolChoice) -> None:
    request = body(tools=[TOOL], tool_choice=choice).request()
    assert request.tool_choice == wanted
    assert [(tool.name, tool.description, tool.parameters) for tool in request.tools] == [
        ("f", "d", {"type": "object"})
    ]


def test_strict_tools_are_enveloped() -> None:
    strict = {"type": "function", "function": {"name": "g", "strict": True}}
    assert body(tools=[TOOL]).request().needs_envelope is False
    request = body(tools=[TOOL, strict]).request()
    assert request.needs_envelope
    assert [tool.is_strict for tool in request.tools] == [False, True]


def test_answers_have_forms() -> None:
    assert body(response_format={"type": "text"}).request().answer_format is None
    as_object = body(response_format={"type": "json_object"}).request().answer_format
    assert as_object is not None
    assert as_object.grammar == GrammarSpec.json_object()
    schema = {"name": "n", "description": "d", "schema": {"type": "array", "x": "é"}, "strict": True}
    by_schema = body(response_format={"type": "json_schema", "json_schema": schema}).request().answer_format
    assert by_schema is not None
    assert by_schema.grammar == GrammarSpec.json_schema('{"type":"array","x":"é"}')
    assert (by_schema.name, by_schema.description) == ("n", "d")


@pytest.mark.parametrize("sent", [{"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}])
def test_effort_has_two_names(sent: dict[str, Any]) -> None:
    assert body(**sent).request().effort is ReasoningEffort.LOW


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens", "send one"),
        ({"reasoning_effort": "low", "reasoning": {"effort": "high"}}, "reasoning_effort", "send one"),
        ({"top_logprobs": 2}, "top_logprobs", "logprobs is not true"),
        ({"tool_choice": "required"}, "tool_choice", "none is declared"),
        ({"tools": [TOOL], "tool_choice": OTHER}, "tool_choice", "'g' must be called and is not declared"),
        ({"tools": [TOOL, TOOL]}, "tools", "declared twice"),
        ({"min_tokens": 9, "max_tokens": 3}, "min_tokens", "cannot be more"),
        ({"logit_bias": {"x": 1}}, "logit_bias", "keys are token ids"),
        ({"stop": "é" * 700}, "stop", "1400 bytes"),
        ({"messages": [{"role": "assistant"}]}, "messages[0].content", "says nothing"),
        (
            {"messages": [{"role": "assistant", "reasoning": "a", "reasoning_content": "b"}]},
            "messages[0].reasoning_content",
            "send one",
        ),
        ({"messages": [{"role": "user", "content": [FILE]}]}, "messages[0].content[0].type", "text alone"),
        ({"response_format": LONG}, "response_format.json_schema.schema", "the limit is"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(change: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as caught:
        body(**change).request()
    assert caught.value.field == field


def test_options_of_a_stream_want_a_stream() -> None:
    assert body(stream=True, stream_options={"include_usage": True}).wants_usage_chunk
    assert not body(stream=True, stream_options={"include_usage": False}).wants_usage_chunk
    assert not body(stream=True).wants_usage_chunk
    with pytest.raises(InvalidRequestError, match="stands without stream") as caught:
        _ = body(stream_options={"include_usage": True}).wants_usage_chunk
    assert caught.value.field == "stream_options"
