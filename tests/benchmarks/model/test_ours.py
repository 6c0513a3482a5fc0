from pathlib import Path

import torch

from benchmarks.model.ours import load_ours
from benchmarks.model.variants import DEFAULT, VARIANTS
from tests.benchmarks.model.contender_checks import ROOM, ROWS, logits_likeliest, steps_likeliest
from tests.benchmarks.model.small_model import SMALL
from tests.model.runner import Runner, load_float32


def test_every_variant_is_there(small: Path) -> None:
    assert list(load_ours(small, ROOM)) == [variant.name for variant in VARIANTS]
    assert VARIANTS[0] is DEFAULT


def test_logits_are_those_of_the_model(small: Path) -> None:
    _, weights = load_float32(small)
    expected = Runner(SMALL, weights).run(ROWS[0], [len(ROWS[0])])
    found = load_ours(small, ROOM)[DEFAULT.name].logits(ROWS[0])
    # Equal, but for the order of additions in float32.
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_steps_follow_the_logits_as_often_as_one_begins(small: Path) -> None:
    ours = load_ours(small, ROOM)[DEFAULT.name]
    expected = logits_likeliest(ours)
    assert steps_likeliest(ours) == expected
    assert steps_likeliest(ours) == expected
