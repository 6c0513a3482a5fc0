import time
from collections.abc import Callable

from benchmarks.interleaving import interleaved_medians, seconds_of


def test_contenders_take_turns_and_the_first_round_is_not_counted() -> None:
    calls: list[str] = []

    def contender(name: str, values: list[float]) -> Callable[[], float]:
        def measure() -> float:
            calls.append(name)
            return values[calls.count(name) - 1]

        return measure

    medians = interleaved_medians(
        {"a": contender("a", [100.0, 1.0, 7.0, 3.0]), "b": contender("b", [0.0, 5.0, 5.0, 6.0])}, num_rounds=3
    )
    assert medians == {"a": 3.0, "b": 5.0}
    assert "".join(calls) == "abbaabba"


def test_seconds_are_seconds() -> None:
    assert 0.02 <= seconds_of(lambda: time.sleep(0.02)) < 10


def test_freeing_is_not_counted() -> None:
    class Heavy:
        def __del__(self) -> None:
            time.sleep(0.2)

    assert seconds_of(Heavy) < 0.1
