from hypothesis import given
from hypothesis import strategies as st

from workers.engine.drafting import LookupDrafter
from workers.engine.settings import DraftSettings

DRAFTER = LookupDrafter(DraftSettings(num_tokens=3, longest_match=3, shortest_match=2))


def plain(tokens: list[int]) -> list[int]:
    """The definition, slowly."""
    for length in (3, 2):
        for start in range(len(tokens) - length - 1, -1, -1):
            if tokens[start : start + length] == tokens[-length:]:
                return tokens[start + length : start + length + 3]
    return []


@given(st.lists(st.integers(0, 3), max_size=40))
def test_it_says_what_followed_the_last_time(tokens: list[int]) -> None:
    assert list(DRAFTER.guess(tokens)) == plain(tokens)


@given(st.lists(st.sampled_from([0, 1, 256, 65_536, 16_777_216, 257, 201_087]), max_size=40))
def test_bytes_that_look_alike_are_no_match(tokens: list[int]) -> None:
    assert list(DRAFTER.guess(tokens)) == plain(tokens)


def test_the_longest_match_wins_over_a_later_one() -> None:
    assert DRAFTER.guess([1, 2, 3, 7, 9, 2, 3, 8, 1, 2, 3]) == [7, 9, 2]


def test_it_looks_back_so_far_and_no_further() -> None:
    tokens = [1, 2, 3, 4] + [9] * 5000 + [1, 2]
    assert DRAFTER.guess(tokens) == ()
    assert DRAFTER.guess(tokens[1000:]) == ()
    assert DRAFTER.guess([1, 2, 3, 4] + [9] * 4000 + [1, 2]) == [3, 4, 9]
