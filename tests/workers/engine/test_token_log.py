"""What a client was told, kept: for the next worker, and for the bill of a request that no worker ends."""

from dataclasses import replace

import pytest

from model.sampling.parameters import SamplingParameters
from workers.engine.events import ChoiceDelta, FinishReason, PromptEcho
from workers.engine.request import GenerationRequest
from workers.engine.token_log import TokenLog
from workers.engine.written import Written, WrittenChoice

SEEDED = SamplingParameters(seed=4)
REQUEST = GenerationRequest("one", (7, 8, 9), SEEDED, num_choices=2, timeout_s=9.0)


def test_deltas_add_up() -> None:
    log = TokenLog(REQUEST)
    before = log.has_begun
    log.note(ChoiceDelta("one", 1, (5, 6), "ab", ()))
    log.note(ChoiceDelta("one", 0, (), "é", ()))
    log.note(ChoiceDelta("one", 1, (4,), "", (), FinishReason.STOP, "x", 3))
    assert [before, log.has_begun] == [False, True]
    rest = log.rest(2.5)
    assert rest.written == Written((WrittenChoice((), 1), WrittenChoice((5, 6, 4), 2, FinishReason.STOP, 3)))
    assert replace(rest, written=None, timeout_s=9.0) == REQUEST


def test_the_prompt_is_told_once() -> None:
    log = TokenLog(REQUEST)
    log.note(PromptEcho("one", (7, 8, 9), "", ()))
    written = log.rest(None).written
    assert written is not None
    assert written.is_prompt_told


def test_what_no_worker_ends_costs_what_is_known() -> None:
    log = TokenLog(REQUEST)
    log.note(ChoiceDelta("one", 1, (5, 6), "ab", (), FinishReason.STOP, "x", 3))
    log.note(ChoiceDelta("one", 0, (5,), "a", ()))
    usage = log.usage()
    assert (usage.prompt_tokens, usage.output_tokens) == (3, 6)


def test_a_request_that_goes_on_already_is_kept_whole() -> None:
    written = Written((WrittenChoice((1, 2), 2), WrittenChoice((3,), 1, FinishReason.LENGTH)))
    log = TokenLog(replace(REQUEST, written=written))
    log.note(ChoiceDelta("one", 0, (9,), "c", ()))
    assert log.rest(None).written == Written(
        (WrittenChoice((1, 2, 9), 3), WrittenChoice((3,), 1, FinishReason.LENGTH)), prompt_told=True
    )


def test_without_a_seed_it_could_not_go_on() -> None:
    with pytest.raises(AssertionError):
        TokenLog(replace(REQUEST, sampling=SamplingParameters()))
