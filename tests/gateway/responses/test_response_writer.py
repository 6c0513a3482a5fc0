"""The exact events of a response, whatever the chat says and however it ends."""

from dataclasses import replace

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
from gateway.responses.items import CallItem, ItemStatus, MessageItem, Phase, ReasoningItem, Speaker
from gateway.responses.response import FailureCode, Response, ResponseFailure, ResponseStatus
from gateway.responses.response_events import (
    ArgumentsDelta,
    ArgumentsDone,
    ItemAdded,
    ItemDone,
    Moment,
    PartAdded,
    PartDone,
    ResponseMoment,
    TextDelta,
    TextDone,
    TextKind,
)
from gateway.responses.response_writer import ResponseWriter
from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from protos.errors import (
    CapacityError,
    EngineStoppedError,
    ExpertMeshError,
    InvalidRequestError,
    RequestCancelledError,
)
from tests.gateway.responses.response_cases import NOW, USAGE, CountedIds, FakeClock, ended, request
from workers.engine.events import RequestEnded

DOING, DONE, CUT = ItemStatus.IN_PROGRESS, ItemStatus.COMPLETED, ItemStatus.INCOMPLETE
OUTPUT, REASONING = TextKind.OUTPUT, TextKind.REASONING


def writer(*, in_background: bool = False) -> ResponseWriter:
    status = ResponseStatus.QUEUED if in_background else ResponseStatus.IN_PROGRESS
    begun = Response("resp_0", request(is_background=in_background), NOW, status)
    return ResponseWriter(begun, CountedIds(), FakeClock(NOW + 7.5))


def told_by(writing: ResponseWriter, *events: ChatEvent) -> list[object]:
    return [told for event in events for told in writing.take(event)]


def final(text: str) -> ContentDelta:
    return ContentDelta(0, text, Channel.FINAL)


def test_reasoning_then_an_answer() -> None:
    writing = writer()
    told = told_by(
        writing,
        ReasoningDelta(0, "The s"),
        ReasoningDelta(0, "ea."),
        final("Yes"),
        final("."),
        ChoiceEnded(0, ChatFinish.STOP),
        ended(),
    )
    thought = ReasoningItem("rs_0", "The sea.", DONE)
    answer = MessageItem("msg_0", Speaker.ASSISTANT, ("Yes.",), Phase.FINAL_ANSWER, (), DONE)
    begun = writer().response
    assert told == [
        ResponseMoment(Moment.CREATED, begun),
        ResponseMoment(Moment.IN_PROGRESS, begun),
        ItemAdded(0, ReasoningItem("rs_0", "", DOING)),
        PartAdded(REASONING, "rs_0", 0),
        TextDelta(REASONING, "rs_0", 0, "The s"),
        TextDelta(REASONING, "rs_0", 0, "ea."),
        TextDone(REASONING, "rs_0", 0, "The sea."),
        PartDone(REASONING, "rs_0", 0, "The sea."),
        ItemDone(0, thought),
        ItemAdded(1, MessageItem("msg_0", Speaker.ASSISTANT, (), Phase.FINAL_ANSWER, (), DOING)),
        PartAdded(OUTPUT, "msg_0", 1),
        TextDelta(OUTPUT, "msg_0", 1, "Yes"),
        TextDelta(OUTPUT, "msg_0", 1, "."),
        TextDone(OUTPUT, "msg_0", 1, "Yes."),
        PartDone(OUTPUT, "msg_0", 1, "Yes."),
        ItemDone(1, answer),
        ended(),
    ]
    assert writing.end(ended()) == replace(
        begun, status=ResponseStatus.COMPLETED, output=(thought, answer), usage=USAGE, ended_at=NOW + 7
    )


def test_a_preamble_and_two_calls() -> None:
    writing = writer()
    told = told_by(
        writing,
        ContentDelta(0, "Looking.", Channel.COMMENTARY),
        ToolCallBegan(0, 0, "call_a", "look"),
        ToolArgumentsDelta(0, 0, '{"at":'),
        ToolArgumentsDelta(0, 0, '"sea"}'),
        ToolCallBegan(0, 1, "call_b", "smell"),
        ChoiceEnded(0, ChatFinish.TOOL_CALLS),
    )
    assert told[6:] == [
        PartDone(OUTPUT, "msg_0", 0, "Looking."),
        ItemDone(0, MessageItem("msg_0", Speaker.ASSISTANT, ("Looking.",), Phase.COMMENTARY, (), DONE)),
        ItemAdded(1, CallItem("fc_0", "call_a", "look", "", DOING)),
        ArgumentsDelta("fc_0", 1, '{"at":'),
        ArgumentsDelta("fc_0", 1, '"sea"}'),
        ArgumentsDone("fc_0", 1, "look", '{"at":"sea"}'),
        ItemDone(1, CallItem("fc_0", "call_a", "look", '{"at":"sea"}', DONE)),
        ItemAdded(2, CallItem("fc_1", "call_b", "smell", "", DOING)),
        ArgumentsDone("fc_1", 2, "smell", ""),
        ItemDone(2, CallItem("fc_1", "call_b", "smell", "", DONE)),
    ]
    assert writing.end(ended()).status is ResponseStatus.COMPLETED


def test_another_channel_is_another_message() -> None:
    writing = writer()
    told_by(writing, ContentDelta(0, "Hm.", Channel.COMMENTARY), final("Yes."))
    texts = [(item.text, item.phase) for item in writing.response.output if isinstance(item, MessageItem)]
    assert texts == [("Hm.", Phase.COMMENTARY), ("Yes.", Phase.FINAL_ANSWER)]


def test_log_probabilities_stand_in_the_delta_and_in_the_item() -> None:
    position = PositionLogprobs(TokenLogprob(5, -0.5), ())
    writing = writer()
    told = told_by(writing, ContentDelta(0, "a", Channel.FINAL, (position,)), ChoiceEnded(0, ChatFinish.STOP))
    assert TextDelta(OUTPUT, "msg_0", 0, "a", (position,)) in told
    assert TextDone(OUTPUT, "msg_0", 0, "a", (position,)) in told
    (item,) = writing.end(ended()).output
    assert isinstance(item, MessageItem)
    assert item.logprobs == (position,)


@pytest.mark.parametrize("finish", [ChatFinish.LENGTH, ChatFinish.LENGTH_IN_REASONING])
def test_what_is_cut_is_incomplete_from_the_item_up(finish: ChatFinish) -> None:
    writing = writer()
    told = told_by(writing, ReasoningDelta(0, "Well"), ChoiceEnded(0, finish))
    assert told[-1] == ItemDone(0, ReasoningItem("rs_0", "Well", CUT))
    assert writing.end(ended()).status is ResponseStatus.INCOMPLETE


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RequestCancelledError("gone"), ResponseStatus.CANCELLED, None),
        (EngineStoppedError("stopped"), ResponseStatus.FAILED, FailureCode.SERVER_ERROR),
        (CapacityError("full"), ResponseStatus.FAILED, FailureCode.RATE_LIMIT_EXCEEDED),
        (InvalidRequestError("long"), ResponseStatus.FAILED, FailureCode.INVALID_PROMPT),
    ],
)
def test_a_response_that_breaks_keeps_what_it_has(
    error: ExpertMeshError, status: ResponseStatus, code: FailureCode | None
) -> None:
    writing = writer()
    told_by(writing, final("Ye"))
    end = writing.end(ended(error))
    assert end.status is status
    assert end.output == (MessageItem("msg_0", Speaker.ASSISTANT, ("Ye",), Phase.FINAL_ANSWER, (), CUT),)
    assert end.failure == (None if code is None else ResponseFailure(code, str(error)))
    assert writing.end(ended(error)) is end
    assert writing.response is end


def test_an_answer_of_nothing_has_a_beginning_and_no_item() -> None:
    writing = writer()
    told = told_by(writing, ChoiceEnded(0, ChatFinish.STOP), ended())
    kinds = [each.moment if isinstance(each, ResponseMoment) else type(each) for each in told]
    assert kinds == [Moment.CREATED, Moment.IN_PROGRESS, RequestEnded]
    assert writing.end(ended()).output == ()


def test_in_the_background_it_is_created_before_it_begins() -> None:
    writing = writer(in_background=True)
    opening = writing.opening()
    assert [each.moment for each in opening if isinstance(each, ResponseMoment)] == [
        Moment.CREATED,
        Moment.QUEUED,
    ]
    assert writing.response.status.value == "queued"
    first = writing.take(final("Y"))[0]
    assert isinstance(first, ResponseMoment)
    assert first.moment is Moment.IN_PROGRESS
    assert first.response == replace(writing.response, output=())
    assert first.response.status.value == "in_progress"
