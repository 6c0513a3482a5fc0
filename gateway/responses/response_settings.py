"""How long responses are kept, and how many. Checked once, never changed."""

from dataclasses import dataclass

from gateway.positive import check_positive


@dataclass(frozen=True, slots=True)
class ResponseSettings:
    """Of one gateway. Whatever is reached first makes the oldest response go."""

    keep_s: float = 24 * 3600.0  # after its end
    max_responses: int = 10_000
    max_bytes: int = 256 * 1024 * 1024
    max_background: int = 256  # that have not ended; one more is refused

    def __post_init__(self) -> None:
        check_positive(self)
