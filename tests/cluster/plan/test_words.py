"""Numbers as a person says them."""

import pytest

from cluster.plan.words import bytes_in_words, counted


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (24_100, "24.1 KB"),
        (5_800_000, "5.8 MB"),
        (4_310_000_000, "4.3 GB"),
        (1_200_000_000_000, "1,200.0 GB"),
        (-4_310_000, "-4.3 MB"),
    ],
)
def test_sizes_are_in_units_that_fit_them(count: int, words: str) -> None:
    assert bytes_in_words(count) == words


def test_one_is_not_many() -> None:
    assert (counted(1, "copy", "copies"), counted(1200, "copy", "copies")) == ("1 copy", "1,200 copies")
