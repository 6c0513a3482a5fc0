"""A generation added up from its events."""

from gateway.text.text_result import TextResult
from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from protos.errors import BrokenLogitsError
from workers.engine.events import ChoiceDelta, FinishReason, PromptEcho, RequestEnded, Usage

USAGE = Usage(3, 1, 5, 0, 0, 0, 0.5, 0.25)


def scored(token_id: int) -> PositionLogprobs:
    return PositionLogprobs(TokenLogprob(token_id, -0.5), ())


def test_choices_that_come_mixed_are_each_whole() -> None:
    result = TextResult(2)
    echo = PromptEcho("r", (1, 2, 3), "abc", ())
    result.take([echo, ChoiceDelta("r", 1, (7,), "x", (scored(7),))])
    result.take([ChoiceDelta("r", 0, (4, 5), "de", (scored(4), scored(5)))])
    result.take(
        [
            ChoiceDelta("r", 1, (), "", (), FinishReason.STOP, "stop", 2),
            ChoiceDelta("r", 0, (6,), "f", (scored(6),), FinishReason.LENGTH),
        ]
    )
    result.take([RequestEnded("r", USAGE)])
    first, second = result.choices
    assert (first.token_ids, first.text, first.finish) == ([4, 5, 6], "def", FinishReason.LENGTH)
    assert [entry.chosen.token_id for entry in first.logprobs] == [4, 5, 6]
    assert (second.token_ids, second.text, second.finish) == ([7], "x", FinishReason.STOP)
    assert (second.stopped_by, second.num_hidden) == ("stop", 2)
    assert result.echo == echo
    assert result.usage is not None
    assert result.usage == USAGE


def test_what_came_before_an_error_is_kept() -> None:
    result = TextResult(1)
    result.take([ChoiceDelta("r", 0, (4,), "d", ()), RequestEnded("r", USAGE, BrokenLogitsError((0,)))])
    assert (result.choices[0].text, result.choices[0].finish) == ("d", None)
