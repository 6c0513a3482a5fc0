"""What a check has found: plain values. Not here: the checks, and how findings are told (`report`)."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"  # it works, and something may be better, or go wrong later
    WRONG = "wrong"  # it would not work
    UNCHECKED = "unchecked"  # what it would take to look is not here


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy` is what to do; there is one for whatever is not right."""

    check: str
    state: State
    found: str
    remedy: str | None = None

    @classmethod
    def ok(cls, check: str, found: str) -> "Finding":
        return cls(check, State.OK, found)

    @classmethod
    def warning(cls, check: str, found: str, remedy: str) -> "Finding":
        return cls(check, State.WARNING, found, remedy)

    @classmethod
    def wrong(cls, check: str, found: str, remedy: str) -> "Finding":
        return cls(check, State.WRONG, found, remedy)

    @classmethod
    def unchecked(cls, check: str, why: str) -> "Finding":
        return cls(check, State.UNCHECKED, why)
