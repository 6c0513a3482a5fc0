"""Each event as it stands on the wire, held to the official client's types."""

import json

import pytest

from gateway.http_face.responses.events import batch_bytes, event_json
from gateway.http_face.token_names import TokenNames
from gateway.responses.items import CallItem, ItemStatus, MessageItem, Phase, ReasoningItem, Speaker
from gateway.responses.live_response import EventBatch
from gateway.responses.response import ResponseStatus
from gateway.responses.response_events import (
    ArgumentsDelta,
    ArgumentsDone,
    ItemAdded,
    ItemDone,
    Moment,
    PartAdded,
    PartDone,
    ResponseEvent,
    ResponseMoment,
    TextDelta,
    TextDone,
    TextKind,
)
from gateway.served_model import ServedModel
from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from model.tokenizer import Tokenizer
from tests.gateway.http_face.responses.official import checked_event
from tests.gateway.responses.response_cases import response

B = PositionLogprobs(TokenLogprob(65, -0.5), (TokenLogprob(65, -0.5), TokenLogprob(66, -2.0)))
"""Of the token b, whose number is 65 in the vocabulary of these tests."""
ENTRY = {"token": "b", "bytes": [98], "logprob": -0.5}
ENTRIES = [{**ENTRY, "top_logprobs": [ENTRY, {"token": "c", "bytes": [99], "logprob": -2.0}]}]
PLACE = {"item_id": "x_1", "output_index": 3, "content_index": 0}
OUTPUT, REASONING = TextKind.OUTPUT, TextKind.REASONING


@pytest.fixture
def names(tokenizer: Tokenizer) -> TokenNames:
    return TokenNames(ServedModel("tiny", tokenizer, 4096, created=0))


@pytest.mark.parametrize(
    ("event", "kind", "fields"),
    [
        (
            TextDelta(OUTPUT, "x_1", 3, "b", (B,)),
            "output_text.delta",
            {**PLACE, "delta": "b", "logprobs": ENTRIES},
        ),
        (
            TextDone(OUTPUT, "x_1", 3, "b", (B,)),
            "output_text.done",
            {**PLACE, "text": "b", "logprobs": ENTRIES},
        ),
        (TextDelta(REASONING, "x_1", 3, "é"), "reasoning_text.delta", {**PLACE, "delta": "é"}),
        (TextDone(REASONING, "x_1", 3, "é"), "reasoning_text.done", {**PLACE, "text": "é"}),
        (
            PartAdded(OUTPUT, "x_1", 3),
            "content_part.added",
            {**PLACE, "part": {"type": "output_text", "text": "", "annotations": [], "logprobs": []}},
        ),
        (
            PartAdded(REASONING, "x_1", 3),
            "content_part.added",
            {**PLACE, "part": {"type": "reasoning_text", "text": ""}},
        ),
        (
            PartDone(OUTPUT, "x_1", 3, "b", (B,)),
            "content_part.done",
            {**PLACE, "part": {"type": "output_text", "text": "b", "annotations": [], "logprobs": ENTRIES}},
        ),
        (
            PartDone(REASONING, "x_1", 3, "Hm"),
            "content_part.done",
            {**PLACE, "part": {"type": "reasoning_text", "text": "Hm"}},
        ),
        (
            ArgumentsDelta("x_1", 3, '{"a'),
            "function_call_arguments.delta",
            {"item_id": "x_1", "output_index": 3, "delta": '{"a'},
        ),
        (
            ArgumentsDone("x_1", 3, "look", "{}"),
            "function_call_arguments.done",
            {"item_id": "x_1", "output_index": 3, "name": "look", "arguments": "{}"},
        ),
        (
            ItemAdded(
                3, MessageItem("m", Speaker.ASSISTANT, (), Phase.FINAL_ANSWER, (), ItemStatus.IN_PROGRESS)
            ),
            "output_item.added",
            {
                "output_index": 3,
                "item": {
                    "id": "m",
                    "type": "message",
                    "role": "assistant",
                    "status": "in_progress",
                    "phase": "final_answer",
                    "content": [],
                },
            },
        ),
        (
            ItemDone(3, ReasoningItem("r", "Hm", ItemStatus.INCOMPLETE)),
            "output_item.done",
            {
                "output_index": 3,
                "item": {
                    "id": "r",
                    "type": "reasoning",
                    "status": "incomplete",
                    "summary": [],
                    "content": [{"type": "reasoning_text", "text": "Hm"}],
                    "encrypted_content": None,
                },
            },
        ),
        (
            ItemDone(3, CallItem("f", "call_1", "look", "{}")),
            "output_item.done",
            {
                "output_index": 3,
                "item": {
                    "id": "f",
                    "type": "function_call",
                    "status": "completed",
                    "call_id": "call_1",
                    "name": "look",
                    "arguments": "{}",
                },
            },
        ),
    ],
)
def test_what_stands_in_each(
    names: TokenNames, event: ResponseEvent, kind: str, fields: dict[str, object]
) -> None:
    document = event_json(event, 17, names)
    assert document == {"type": f"response.{kind}", "sequence_number": 17, **fields}
    assert checked_event(document).model_dump(include={"sequence_number"}) == {"sequence_number": 17}


@pytest.mark.parametrize("moment", Moment)
def test_the_whole_response_stands_in_the_moments_of_its_life(names: TokenNames, moment: Moment) -> None:
    told = ResponseMoment(moment, response("resp_5", ResponseStatus.COMPLETED))
    document = event_json(told, 0, names)
    assert document["type"] == f"response.{moment.value}"
    assert checked_event(document).model_dump()["response"]["id"] == "resp_5"


def test_what_is_new_is_one_write_of_events_under_their_types(names: TokenNames) -> None:
    batch = EventBatch(40, [PartAdded(REASONING, "x_1", 0), TextDelta(REASONING, "x_1", 0, "a\nb\u2028")])
    first, second, rest = batch_bytes(batch, names).decode().split("\n\n")
    assert rest == ""
    for number, (text, kind) in enumerate([(first, "content_part.added"), (second, "reasoning_text.delta")]):
        type_line, data_line = text.splitlines()
        assert type_line == f"event: response.{kind}"
        assert json.loads(data_line.removeprefix("data: "))["sequence_number"] == 40 + number
