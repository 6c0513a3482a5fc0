from functools import partial

import pytest

from benchmarks.process_memory import peak_bytes

NUM_BYTES = 64 << 20


def allocate(num_bytes: int) -> bytes:
    """Touches what it allocates, frees half of it again, and returns the rest."""
    first = b"x" * (num_bytes // 2)
    second = b"y" * (num_bytes // 2)
    del first
    return second


def test_the_peak_is_counted_and_the_warm_up_is_not() -> None:
    taken = peak_bytes(partial(allocate, 2 * NUM_BYTES), partial(allocate, NUM_BYTES))
    assert taken == pytest.approx(NUM_BYTES, rel=0.05)
