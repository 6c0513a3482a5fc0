"""Whatever tokens a model writes, the events of its response are whole: items begin once and end once."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.chat.chat_answer import ChatAnswer
from gateway.chat.chat_request import ChatRequest
from gateway.chat.turns import UserTurn
from gateway.harmony.settings import FunctionTool
from gateway.harmony.vocabulary import HarmonyVocabulary
from gateway.responses.items import CallItem, Item, ItemStatus, MessageItem, ReasoningItem
from gateway.responses.response_events import (
    ArgumentsDelta,
    ArgumentsDone,
    ItemAdded,
    ItemDone,
    PartAdded,
    PartDone,
    ResponseEvent,
    ResponseMoment,
    TextDelta,
    TextDone,
)
from gateway.responses.response_writer import ResponseWriter
from model.tokenizer import Tokenizer
from tests.gateway.http_face.running_face import byte_tokenizer
from tests.gateway.responses.response_cases import CountedIds, FakeClock, ended, response
from workers.engine.events import ChoiceDelta, FinishReason, RequestEnded

PIECES = st.sampled_from(
    [
        *("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>", "<|call|>", "<|constrain|>"),
        *("assistant", "user", "analysis", "commentary", "final", " to=functions.look", "json", "{}", "é"),
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant",
        "<|channel|>commentary<|message|>Wait.<|end|><|start|>assistant",
        '<|channel|>commentary to=functions.look <|constrain|>json<|message|>{"at":"sea"}<|call|>',
        "<|channel|>final<|message|>Yes.<|return|>",
    ]
)
REQUEST = ChatRequest((UserTurn("?"),), (FunctionTool("look"),))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder: Path = tmp_path_factory.mktemp("byte-tokenizer")
    return byte_tokenizer(folder)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(PIECES, max_size=12),
    cuts=st.lists(st.integers(1, 9), min_size=1),
    finish=st.sampled_from([*FinishReason, None]),
)
def test_every_item_is_told_whole(
    tokenizer: Tokenizer, pieces: list[str], cuts: list[int], finish: FinishReason | None
) -> None:
    token_ids = tokenizer.encode_with_specials("".join(pieces))
    answer = ChatAnswer(HarmonyVocabulary.of(tokenizer), REQUEST, "resp_0")
    writer = ResponseWriter(response(), CountedIds(), FakeClock())
    told: list[ResponseEvent | RequestEnded] = []
    position = number = 0
    while position < len(token_ids) or not number:
        part = tuple(token_ids[position : position + cuts[number % len(cuts)]])
        position, number = position + len(part), number + 1
        is_last = position >= len(token_ids)
        delta = ChoiceDelta("resp_0", 0, part, tokenizer.decode(part), (), finish if is_last else None)
        told += [each for said in answer.translate(delta) for each in writer.take(said)]
    told += writer.take(ended())
    end = writer.end(ended())
    events = [event for event in told if not isinstance(event, ResponseMoment | RequestEnded)]
    assert told[-1] == ended()
    assert items_of(events, is_whole=finish is not None) == [
        item for item in end.output if finish is not None or item.status is ItemStatus.COMPLETED
    ]


def items_of(events: Sequence[ResponseEvent], *, is_whole: bool) -> list[Item]:
    """What a client puts together of the events, sure that each follows its rule; items that are done."""
    done: list[Item] = []
    place = 0
    while place < len(events):
        added = events[place]
        assert isinstance(added, ItemAdded)
        assert added.output_index == len(done)
        size = next((n for n, each in enumerate(events[place:]) if isinstance(each, ItemDone)), None)
        if size is None:
            assert not is_whole
            return done
        last = events[place + size]
        assert isinstance(last, ItemDone)
        assert (last.output_index, last.item.item_id) == (len(done), added.item.item_id)
        assert text_of(events[place + 1 : place + size]) == written_in(last.item)
        done.append(last.item)
        place += size + 1
    return done


def text_of(events: Sequence[ResponseEvent]) -> str:
    if isinstance(events[0], PartAdded):
        *deltas, done, part_done = events[1:]
        assert isinstance(done, TextDone)
        assert isinstance(part_done, PartDone)
        assert done.text == part_done.text == "".join(e.text for e in deltas if isinstance(e, TextDelta))
        return done.text
    *argument_deltas, arguments = events
    assert isinstance(arguments, ArgumentsDone)
    assert arguments.arguments == "".join(e.text for e in argument_deltas if isinstance(e, ArgumentsDelta))
    return arguments.arguments


def written_in(item: Item) -> str:
    match item:
        case MessageItem() | ReasoningItem():
            return item.text
        case CallItem():
            return item.arguments
        case _:
            raise AssertionError(f"{item} is not written by a model")
