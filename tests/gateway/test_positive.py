"""Settings check themselves: what is no number is not looked at, and not a number is not above 0."""

from dataclasses import dataclass

import pytest

from gateway.positive import check_positive
from protos.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    wait_s: float = 0.5
    most: int = 3
    names: tuple[str, ...] = ()


def test_numbers_above_0_are_taken() -> None:
    check_positive(Settings())
    check_positive(Settings(0.001, 1, ("a",)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(wait_s=0.0), "wait_s is 0.0; it must be above 0"),
        (Settings(wait_s=float("nan")), "wait_s is nan; it must be above 0"),
        (Settings(most=-2), "most is -2; it must be above 0"),
    ],
)
def test_others_are_not(settings: Settings, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_positive(settings)
