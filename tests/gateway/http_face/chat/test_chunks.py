"""Chunks of all that is new, neighbours joined, and that they add up to what was said."""

from typing import Any

import pytest

from gateway.chat.chat_events import (
    ChatEvent,
    ChatFinish,
    ChoiceEnded,
    ContentDelta,
    ReasoningDelta,
    ToolArgumentsDelta,
    ToolCallBegan,
)
from gateway.harmony.settings import Channel
from gateway.http_face.chat.answer import AnswerHead
from gateway.http_face.chat.chunks import ChatChunks
from gateway.http_face.token_names import TokenNames
from gateway.request_id import new_call_id
from gateway.served_model import ServedModel
from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from model.tokenizer import Tokenizer
from protos.errors import EngineStoppedError
from tests.gateway.http_face.wire import parse_events
from workers.engine.events import RequestEnded, Usage

USAGE = Usage(11, 3, 7, 2, 0, 0, 0.0, 0.0)
FINAL = Channel.FINAL


def chunks(tokenizer: Tokenizer, *, with_usage: bool = False, with_logprobs: bool = False) -> ChatChunks:
    names = TokenNames(ServedModel("tiny", tokenizer, 100, 0))
    head = AnswerHead(new_call_id("chatcmpl-"), 'a "model"', names, with_logprobs)
    return ChatChunks(head, with_usage=with_usage)


def deltas(written: bytes) -> list[tuple[int, dict[str, Any], str | None]]:
    choices = [event["choices"][0] for event in parse_events(written)]
    return [(choice["index"], choice["delta"], choice["finish_reason"]) for choice in choices]


BEGIN: dict[str, Any] = {"role": "assistant", "content": ""}


def test_neighbours_of_a_kind_are_one_chunk(tokenizer: Tokenizer) -> None:
    events: list[ChatEvent] = [
        ReasoningDelta(0, "Hm"),
        ReasoningDelta(0, "."),
        ContentDelta(0, "a", Channel.COMMENTARY),
        ContentDelta(0, "b", FINAL),
        ContentDelta(1, "x", FINAL),
        ContentDelta(0, "c", FINAL),
        ToolCallBegan(1, 0, "call_1", "f"),
        ToolArgumentsDelta(1, 0, '{"a"'),
        ToolArgumentsDelta(1, 0, ":1}"),
        ToolArgumentsDelta(1, 1, "{}"),
        ChoiceEnded(1, ChatFinish.TOOL_CALLS),
        ChoiceEnded(0, ChatFinish.LENGTH_IN_REASONING),
    ]
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert deltas(chunks(tokenizer).encode(events)) == [
        (0, BEGIN, None),
        (0, {"reasoning": "Hm.", "reasoning_content": "Hm."}, None),
        (0, {"content": "ab"}, None),
        (1, BEGIN, None),
        (1, {"content": "x"}, None),
        (0, {"content": "c"}, None),
        (1, {"tool_calls": [call]}, None),
        (1, {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]}, None),
        (1, {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}, None),
        (1, {}, "tool_calls"),
        (0, {}, "length"),
    ]


def test_a_choice_begins_once(tokenizer: Tokenizer) -> None:
    writer = chunks(tokenizer)
    first, second = [writer.encode([ContentDelta(0, text, FINAL)]) for text in ("a", "b")]
    assert deltas(first) == [(0, BEGIN, None), (0, {"content": "a"}, None)]
    assert deltas(second) == [(0, {"content": "b"}, None)]


@pytest.mark.parametrize("text", ['"\\\n\r\t\x00', "\u2028\x85é\U0001f600", "data: [DONE]\n\n"])
def test_any_text_stays_one_event(text: str, tokenizer: Tokenizer) -> None:
    written = chunks(tokenizer).encode([ContentDelta(0, text, FINAL)])
    assert deltas(written)[1:] == [(0, {"content": text}, None)]
    assert parse_events(written)[0]["model"] == 'a "model"'


def test_usage_is_told_to_whoever_asks(tokenizer: Tokenizer) -> None:
    events: list[ChatEvent] = [ContentDelta(0, "a", FINAL), RequestEnded("r", USAGE)]
    assert all("usage" not in event for event in parse_events(chunks(tokenizer).encode(events)))
    told = parse_events(chunks(tokenizer, with_usage=True).encode(events))
    assert [event["usage"] for event in told[:-1]] == [None, None]
    assert told[-1]["choices"] == []
    assert told[-1]["usage"] == {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def test_an_error_is_left_to_others(tokenizer: Tokenizer) -> None:
    ended = RequestEnded("r", USAGE, EngineStoppedError("stopped"))
    assert chunks(tokenizer, with_usage=True).encode([ended]) == b""


def test_log_probabilities_stand_beside_their_text(tokenizer: Tokenizer) -> None:
    positions = [PositionLogprobs(TokenLogprob(token, -0.5), ()) for token in tokenizer.encode("ab")]
    positions[1] = PositionLogprobs(positions[1].chosen, (TokenLogprob(0, float("-inf")),))
    events = [ContentDelta(0, "a", FINAL, positions[:1]), ContentDelta(0, "b", FINAL, positions[1:])]
    told = parse_events(chunks(tokenizer, with_logprobs=True).encode(events))[1]["choices"][0]
    assert told["delta"] == {"content": "ab"}
    assert [(entry["token"], entry["logprob"]) for entry in told["logprobs"]["content"]] == [
        ("a", -0.5),
        ("b", -0.5),
    ]
    assert told["logprobs"]["content"][1]["top_logprobs"][0]["logprob"] == -9999.0
    silent = parse_events(chunks(tokenizer).encode(events))[1]["choices"][0]
    assert silent["logprobs"] is None
