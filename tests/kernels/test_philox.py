import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kernels.philox import Stream, philox, uniform
from tests.chi_square import FALSE_ALARM, p_value

# kat_vectors of Random123, philox4x32 with 10 rounds: counter, key, output.
KNOWN_ANSWERS = [
    (
        (0x00000000, 0x00000000, 0x00000000, 0x00000000),
        (0x00000000, 0x00000000),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
INT64 = st.integers(-(2**63), 2**63 - 1)
WORD = 2**32


def python_philox(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """Figure 4 of the paper in Python's unbounded integers."""
    word_0, word_1, word_2, word_3 = counter
    for turn in range(10):
        keys = ((key[0] + turn * 0x9E3779B9) % WORD, (key[1] + turn * 0xBB67AE85) % WORD)
        high_0, low_0 = divmod(word_0 * 0xD2511F53, WORD)
        high_2, low_2 = divmod(word_2 * 0xCD9E8D57, WORD)
        word_0, word_1, word_2, word_3 = (
            high_2 ^ word_1 ^ keys[0],
            low_2,
            high_0 ^ word_3 ^ keys[1],
            low_0,
        )
    return word_0, word_1, word_2, word_3


def python_uniform(seed: int, position: int) -> float:
    counter = (position % WORD, position // WORD % WORD, 0, 0)
    output = python_philox(counter, (seed % WORD, seed // WORD % WORD))
    return (output[0] // 2**5 * 2**26 + output[1] // 2**6) / 2**53


def as_tensors(words: tuple[int, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.tensor([word]) for word in words)


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN_ANSWERS)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, ...], output: tuple[int, ...]) -> None:
    assert tuple(int(word) for word in philox(as_tensors(counter), as_tensors(key))) == output
    assert python_philox(counter, key) == output


@settings(deadline=None)
@given(st.lists(st.tuples(INT64, INT64), min_size=1, max_size=11))
def test_is_the_documented_function_of_seed_and_position(pairs: list[tuple[int, int]]) -> None:
    seeds, positions = torch.tensor(pairs).unbind(dim=1)
    drawn = uniform(seeds, positions, Stream.TOKEN)
    assert drawn.dtype == torch.float64
    assert drawn.tolist() == [python_uniform(*pair) for pair in pairs]


def test_covers_the_unit_interval_in_steps_of_53_bits() -> None:
    drawn = uniform(torch.full((4096,), 11), torch.arange(4096))
    whole = drawn * 2**53
    assert bool((whole == whole.floor()).all())
    assert bool((whole % 2 == 1).any()), "the last of the 53 bits is never set"
    assert 0 <= float(drawn.min()) < 0.002
    assert 0.998 < float(drawn.max()) < 1


@pytest.mark.parametrize(
    ("seed_step", "position_step"), [(0, 1), (1, 0), (1, 1), (1, -1), (2**32, 0), (0, 2**32), (2**63 - 1, 0)]
)
def test_neighbours_are_uniform_and_independent(seed_step: int, position_step: int) -> None:
    """Pairs of neighbouring draws fill a 16 by 16 grid evenly: 200 seeds by 100 positions."""
    seeds = torch.arange(200).repeat_interleave(100)  # [pairs]
    positions = torch.arange(1000, 1100).repeat(200)  # [pairs]
    here = uniform(seeds, positions)
    there = uniform(seeds + seed_step, positions + position_step)
    cells = (here * 16).long() * 16 + (there * 16).long()
    observed = cells.bincount(minlength=256).tolist()
    assert p_value(observed, [len(seeds) / 256] * 256) > FALSE_ALARM


def test_the_grid_would_show_dependent_neighbours() -> None:
    here = uniform(torch.arange(20_000), torch.zeros(20_000, dtype=torch.int64))
    there = (here + 0.5) % 1
    cells = (here * 16).long() * 16 + (there * 16).long()
    assert p_value(cells.bincount(minlength=256).tolist(), [20_000 / 256] * 256) < FALSE_ALARM
