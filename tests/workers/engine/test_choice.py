"""A choice that goes on elsewhere, cut at every delta, with tokens that are given: no model."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from protos.errors import InvalidRequestError
from tests.workers.engine.test_reasoning import meter, token_bytes, tokens
from workers.engine.choice import Choice
from workers.engine.events import ChoiceDelta, FinishReason
from workers.engine.request import GenerationRequest, StopRules
from workers.engine.token_log import TokenLog
from workers.engine.untold import Untold
from workers.engine.written import NOTHING_WRITTEN, WrittenChoice

SPELLING = [b"a", b"b", b"ab", b"ba", b"", "é".encode()[:1], "é".encode()[1:], b"bab", b"\xff", "aé".encode()]
STOP_ID = len(SPELLING)
TEXT = st.text("abé", min_size=1, max_size=4)


def spell(token_id: int) -> bytes:
    return b"" if token_id == STOP_ID else SPELLING[token_id]


def begin(request: GenerationRequest, max_tokens: int, written: WrittenChoice = NOTHING_WRITTEN) -> Choice:
    return Choice(
        request,
        0,
        max_tokens=max_tokens,
        stop_ids=frozenset({STOP_ID}),
        token_bytes=spell,
        grammar=None,
        meter=None,
        written=written,
    )


@dataclass(slots=True)
class Story:
    """What deltas add up to."""

    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    logprobs: list[PositionLogprobs] = field(default_factory=list)
    finish: FinishReason | None = None
    stopped_by: str | int | None = None
    num_hidden: int = 0

    def tell(self, delta: ChoiceDelta) -> "Story":
        assert self.finish is None
        return Story(
            self.token_ids + list(delta.token_ids),
            self.text + delta.text,
            self.logprobs + list(delta.logprobs),
            delta.finish,
            delta.stopped_by,
            self.num_hidden + delta.num_hidden,
        )


def go_on(choice: Choice, tokens: list[int], told: Callable[[ChoiceDelta], None]) -> None:
    """Feed tokens until the choice ends; the log-probability of a token names its place."""
    for place, token_id in enumerate(tokens):
        if place < choice.num_output:
            continue
        if choice.finish is None:
            chosen = TokenLogprob(token_id, -float(place))
            choice.accept(token_id, PositionLogprobs(chosen, ()))
        delta = choice.take_delta()
        if delta is not None:
            told(delta)
        if choice.finish is not None:
            return


@given(
    tokens=st.lists(st.integers(0, STOP_ID), min_size=1, max_size=14),
    stops=st.lists(TEXT, max_size=2, unique=True),
    min_tokens=st.integers(0, 3),
)
def test_wherever_it_is_cut_it_goes_on_as_if_nothing_had_happened(
    tokens: list[int], stops: list[str], min_tokens: int
) -> None:
    max_tokens = max(min_tokens, len(tokens))
    request = GenerationRequest("one", (1,), stop=StopRules(tuple(stops)), min_tokens=min_tokens)
    stories, logs = [Story()], [WrittenChoice()]
    log = TokenLog(request_with_seed(request))

    def note(delta: ChoiceDelta) -> None:
        stories.append(stories[-1].tell(delta))
        log.note(delta)
        written = log.rest(None).written
        assert written is not None
        logs.append(written.choices[0])

    whole = begin(request, max_tokens)
    go_on(whole, tokens, note)
    for before, written in zip(stories, logs, strict=True):
        resumed = begin(request, max_tokens, written)
        if before.finish is not None:
            assert resumed.has_been_told
            assert resumed.num_output == whole.num_output
            continue
        story = [before]
        go_on(resumed, tokens, lambda delta, story=story: story.append(story[-1].tell(delta)))  # type: ignore[misc]
        assert story[-1] == stories[-1]
        assert resumed.num_output == whole.num_output
        assert resumed.num_characters_ahead == 0


def request_with_seed(request: GenerationRequest) -> GenerationRequest:
    return GenerationRequest("one", request.prompt, request.sampling.with_seed(3), stop=request.stop)


def test_text_may_have_run_ahead_of_its_token() -> None:
    """Of the token "bab", "b" is shown; "ab" may still become the stop string "abb"."""
    request = GenerationRequest("one", (1,), stop=StopRules(("abb",)))
    whole = begin(request, 9)
    whole.accept(7, None)
    delta = whole.take_delta()
    assert delta is not None
    assert (delta.token_ids, delta.text) == ((), "b")
    resumed = begin(request, 9, WrittenChoice((), 1))
    assert resumed.num_characters_ahead == 1
    resumed.accept(7, None)
    assert resumed.take_delta() is None
    resumed.accept(0, None)
    delta = resumed.take_delta()
    assert delta is not None
    assert (delta.token_ids, delta.text) == ((7,), "ab")


def test_a_choice_whose_end_was_not_told_tells_it() -> None:
    request = GenerationRequest("one", (1,))
    choice = begin(request, 2, WrittenChoice((0, 1), 2))
    delta = choice.take_delta()
    assert delta is not None
    assert (delta.token_ids, delta.text, delta.finish) == ((), "", FinishReason.LENGTH)


def test_what_goes_on_behind_its_end_is_refused() -> None:
    request = GenerationRequest("one", (1,), stop=StopRules(("ab",)))
    with pytest.raises(InvalidRequestError, match="ends by its own rules with token 1 of those already"):
        begin(request, 9, WrittenChoice((0, 1, 1), 3))


def test_what_is_held_is_counted() -> None:
    untold = Untold(2, 0)
    assert untold.num_held == 2
    untold.add(5, None)
    untold.release_all()
    assert untold.num_held == 0
    assert untold.take().token_ids == (5,)
    assert not untold.has_news


@pytest.mark.parametrize(
    ("header", "text", "stopped_by"),
    [
        ("<|channel|>commentary to=functions.f<|message|>", '{"a": "x;y"}', None),
        ("<|channel|>commentary<|message|>", '{"a": "x', ";"),
    ],
)
def test_a_stop_string_does_not_cut_the_arguments_of_a_call(
    header: str, text: str, stopped_by: str | None
) -> None:
    choice = Choice(
        GenerationRequest("one", (1,), stop=StopRules((";",))),
        0,
        max_tokens=1000,
        stop_ids=frozenset(),
        token_bytes=token_bytes,
        grammar=None,
        meter=meter("<|start|>assistant"),
    )
    story = Story()
    for token_id in tokens(f'{header}{{"a": "x;y"}}<|call|>'):
        if choice.finish is None:
            choice.accept(token_id, None)
            if delta := choice.take_delta():
                story = story.tell(delta)
    assert story.text.endswith(text)
    assert story.stopped_by == stopped_by
