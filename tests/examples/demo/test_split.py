from random import Random

import pytest

from examples.demo.split import Split, draw, part


def test_every_key_is_on_one_side_and_few_are_held_out() -> None:
    keys = [f"sum {number}" for number in range(3000)]
    held_out = [key for key in keys if Split.HELD_OUT.holds(key)]
    assert all(Split.TRAINING.holds(key) is not Split.HELD_OUT.holds(key) for key in keys)
    assert 240 < len(held_out) < 360  # 300 are expected; four standard deviations are 66


@pytest.mark.parametrize("split", Split)
def test_what_is_drawn_is_of_its_side(split: Split) -> None:
    random = Random(1)
    drawn = [draw(random, split, lambda random: random.randrange(500), str) for _ in range(100)]
    assert len(set(drawn)) > 20
    assert all(split.holds(str(each)) for each in drawn)


def test_parts_of_a_few_items_are_whole_and_do_not_meet() -> None:
    items = tuple("abcdefg")
    held_out, training = part(items, 2, Split.HELD_OUT), part(items, 2, Split.TRAINING)
    assert len(held_out) == 2
    assert sorted(held_out + training) == sorted(items)
