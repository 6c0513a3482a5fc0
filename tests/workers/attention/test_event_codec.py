"""Any event, error and load arrives as it was sent, log-probabilities to the last bit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from protos.errors import BrokenLogitsError, CapacityError, EngineStoppedError, ExpertMeshError
from protos.gen.v1 import attention_pb2 as pb
from workers.attention.event_codec import (
    error_from_message,
    error_to_message,
    event_from_message,
    event_to_message,
    load_from_message,
    load_to_message,
)
from workers.engine.events import ChoiceDelta, Event, FinishReason, PromptEcho, RequestEnded, Usage
from workers.engine.load import EngineLoad, ServingState

TOKEN = st.integers(0, 201_087)
TOKENS = st.lists(TOKEN, max_size=4).map(tuple)
TEXT = st.text(st.characters(codec="utf-8"), max_size=9)
LOGPROB = st.builds(TokenLogprob, TOKEN, st.floats(max_value=0, allow_infinity=True))
POSITION = st.builds(PositionLogprobs, LOGPROB, st.lists(LOGPROB, max_size=3).map(tuple))
POSITIONS = st.lists(POSITION, max_size=4)
DELTA = st.builds(
    ChoiceDelta,
    st.just("here"),
    st.integers(0, 127),
    TOKENS,
    TEXT,
    POSITIONS.map(tuple),
    st.none() | st.sampled_from(FinishReason),
    st.none() | TEXT | TOKEN,
    st.integers(0, 9),
)
ECHO = st.builds(
    PromptEcho, st.just("here"), TOKENS, TEXT, st.just(()) | POSITIONS.map(lambda some: (None, *some))
)
COUNT = st.integers(0, 1 << 40)
SECONDS = st.floats(0, 1e9)
USAGE = st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, SECONDS, SECONDS)
ENDED = st.builds(RequestEnded, st.just("here"), USAGE)


def there_and_back(event: Event) -> Event | None:
    message = pb.Event.FromString(event_to_message(event, "on the wire").SerializeToString())
    assert message.request_id == "on the wire"
    return event_from_message(message, "here")


@given(DELTA | ECHO | ENDED)
def test_an_event_arrives_as_it_was_sent(event: Event) -> None:
    assert there_and_back(event) == event


@pytest.mark.parametrize(
    "error", [CapacityError("full: 7"), EngineStoppedError("gone"), BrokenLogitsError((3,))]
)
def test_an_error_arrives_in_the_terminal_event(error: ExpertMeshError) -> None:
    ended = there_and_back(RequestEnded("here", Usage(1, 2, 3, 4, 5, 6, 0.7, 0.8), error))
    assert isinstance(ended, RequestEnded)
    assert type(ended.error) is type(error)
    assert str(ended.error) == str(error)


def test_a_refusal_brings_its_hint() -> None:
    error = CapacityError("full")
    error.retry_after_s = 1.5
    assert error_from_message(error_to_message(error)).retry_after_s == 1.5


@given(
    st.builds(
        EngineLoad,
        st.integers(0, 99),
        st.integers(0, 99),
        COUNT,
        COUNT,
        st.sampled_from(ServingState),
        st.none() | COUNT,
    )
)
def test_a_load_arrives_as_it_was_sent(load: EngineLoad) -> None:
    assert load_from_message(pb.Load.FromString(load_to_message(load).SerializeToString())) == load


def test_what_a_newer_worker_says_takes_nothing_down() -> None:
    assert event_from_message(pb.Event(request_id="here"), "here") is None
    load = EngineLoad(1, 2, 3, 4, ServingState.STOPPED)
    message = load_to_message(load)
    message.state = 77  # type: ignore[assignment]
    assert load_from_message(message) == load
    delta = pb.ChoiceDelta(finish=77)  # type: ignore[arg-type]
    event = event_from_message(pb.Event(choice_delta=delta), "here")
    assert event == ChoiceDelta("here", 0, (), "", (), FinishReason.STOP)
