import pytest
import torch

from benchmarks.model.agreement import Difference
from benchmarks.report import BenchmarkError

EXPECTED = torch.tensor([[3.0, 4.0, 0.0], [0.0, 5.0, 0.0], [5.0, 12.0, 0.0]])  # of norms 5, 5 and 13


def test_the_median_of_tokens_and_the_share_of_equal_choices() -> None:
    found = EXPECTED.clone()
    found[0, 2] = 0.5  # a tenth of the norm
    found[1] = torch.tensor([5.0, 0.0, 0.0])  # √2 of the norm, and another choice
    difference = Difference.of(found, EXPECTED)
    assert difference.relative_norm == pytest.approx(0.1)
    assert difference.same_likeliest == pytest.approx(2 / 3)


def test_what_is_near_enough_is_not_refused() -> None:
    Difference(0.08, 0.5).refuse_beyond(0.08, "theirs and ours")


@pytest.mark.parametrize("relative_norm", [0.0801, float("nan")])
def test_what_is_too_far_or_nothing_at_all_is_refused(relative_norm: float) -> None:
    with pytest.raises(BenchmarkError, match=r"logits of theirs and ours differ by .* limit is 0.08"):
        Difference(relative_norm, 1.0).refuse_beyond(0.08, "theirs and ours")


def test_rows_say_how_far_below_the_limit() -> None:
    norm, same = Difference(0.02, 0.9).rows("theirs", 0.08)
    assert (norm.name, norm.ratio, norm.met) == ("logits, theirs: relative norm", 4.0, True)
    assert (same.name, same.ours, same.peer) == ("logits, theirs: same likeliest token", 0.9, None)
