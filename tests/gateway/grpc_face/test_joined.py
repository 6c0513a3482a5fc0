"""Fewer events that say the same."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from gateway.chat.chat_events import (
    ChatEvent,
    ChatFinish,
    ChoiceEnded,
    ContentDelta,
    ReasoningDelta,
    ToolArgumentsDelta,
    ToolCallBegan,
)
from gateway.grpc_face.joined import joined
from gateway.harmony.settings import Channel
from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from workers.engine.events import ChoiceDelta, Event, FinishReason, PromptEcho

CHOICES, TEXTS = st.integers(0, 1), st.text("abc", max_size=3)
LOGPROBS = st.lists(
    st.builds(lambda n: PositionLogprobs(TokenLogprob(n, -1.0), ()), st.integers(0, 9)), max_size=2
).map(tuple)
EVENTS = st.lists(
    st.one_of(
        st.builds(ReasoningDelta, CHOICES, TEXTS, st.integers(1, 3)),
        st.builds(
            ContentDelta,
            CHOICES,
            TEXTS,
            st.sampled_from((Channel.FINAL, Channel.COMMENTARY)),
            LOGPROBS,
            st.integers(1, 3),
        ),
        st.builds(ToolArgumentsDelta, CHOICES, st.integers(0, 1), TEXTS, st.integers(1, 3)),
        st.builds(ToolCallBegan, CHOICES, st.integers(0, 1), st.just("call"), st.just("name")),
        st.builds(ChoiceEnded, CHOICES, st.just(ChatFinish.STOP)),
        st.builds(
            ChoiceDelta,
            st.just("r"),
            CHOICES,
            st.lists(st.integers(0, 9), max_size=2).map(tuple),
            TEXTS,
            LOGPROBS,
            st.sampled_from((None, None, None, FinishReason.STOP)),
        ),
        st.just(PromptEcho("r", (1,), "p", ())),
    )
)


def said(events: list[Event | ChatEvent]) -> dict[object, list[object]]:
    """All that is said, place by place, in its order there, whatever it was cut into."""
    places: dict[object, list[object]] = {}

    def note(place: object, items: Iterable[object]) -> None:
        places.setdefault(place, []).extend(items)

    for event in events:
        match event:
            case ChoiceDelta():
                note((event.choice, "text"), event.text)
                note((event.choice, "tokens"), event.token_ids)
                note((event.choice, "scores"), event.logprobs)
                note((event.choice, "finish"), [event.finish] if event.finish else [])
            case ContentDelta():
                note((event.choice, event.channel, "text"), event.text)
                note((event.choice, event.channel, "scores"), event.logprobs)
                note((event.choice, event.channel, "number"), [1] * event.num_tokens)
            case ReasoningDelta():
                note((event.choice, "reasoning"), event.text)
                note((event.choice, "number"), [1] * event.num_tokens)
            case ToolArgumentsDelta():
                note((event.choice, event.call_index), event.text)
                note((event.choice, event.call_index, "number"), [1] * event.num_tokens)
            case _:
                note("others", [event])
    return places


@given(EVENTS)
def test_nothing_is_lost_and_neighbours_are_one(events: list[Event | ChatEvent]) -> None:
    fewer = list(joined(events))
    assert said(fewer) == said(events)
    assert len(fewer) <= len(events)
    assert list(joined(fewer)) == fewer


def test_neighbours() -> None:
    a, b, c = ReasoningDelta(0, "a", 1), ReasoningDelta(0, "b", 2), ReasoningDelta(1, "c", 1)
    assert list(joined([a, b, c, a])) == [ReasoningDelta(0, "ab", 3), c, a]
    first = ContentDelta(0, "x", Channel.COMMENTARY)
    assert list(joined([first, ContentDelta(0, "y", Channel.FINAL)])) == [
        first,
        ContentDelta(0, "y", Channel.FINAL),
    ]
    ended = ChoiceDelta("r", 0, (1,), "x", (), FinishReason.STOP)
    assert list(joined([ChoiceDelta("r", 0, (2,), "w", ()), ended])) == [
        ended._replace(token_ids=(2, 1), text="wx")
    ]
