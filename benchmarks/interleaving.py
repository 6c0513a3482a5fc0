"""Lets contenders measure in turns, so that whatever else the machine does hits all of them alike.

Not here: what is measured. Every benchmark with a peer calls this.
"""

from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from time import perf_counter


def interleaved_medians(
    contenders: Mapping[str, Callable[[], float]], num_rounds: int
) -> Mapping[str, float]:
    """One measurement each a round; rounds begin with different contenders, and the first does not count."""
    names = list(contenders)
    name_to_values: dict[str, list[float]] = {name: [] for name in names}
    for number in range(num_rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            value = contenders[name]()
            if number > 0:
                name_to_values[name].append(value)
    return {name: median(values) for name, values in name_to_values.items()}


def median_seconds(works: Mapping[str, Callable[[], object]], num_rounds: int) -> Mapping[str, float]:
    """Of each work, in turns."""
    return interleaved_medians({name: partial(seconds_of, work) for name, work in works.items()}, num_rounds)


def seconds_of(work: Callable[[], object]) -> float:
    """What `work` returns is freed after the clock has stopped."""
    begin = perf_counter()
    held = work()
    elapsed = perf_counter() - begin
    del held
    return elapsed
