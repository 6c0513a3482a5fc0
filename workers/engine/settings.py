"""How an engine is set up: the limits that its scheduler keeps to. Checked once, never changed."""

from dataclasses import dataclass

from protos.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DraftSettings:
    """Speculative decoding by looking back: what followed the last time the newest tokens stood there."""

    num_tokens: int = 4
    longest_match: int = 4
    shortest_match: int = 2

    def __post_init__(self) -> None:
        _check("num_tokens of drafts", self.num_tokens, 1)
        _check("shortest_match", self.shortest_match, 1)
        _check("longest_match", self.longest_match, self.shortest_match)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Defaults suit a CPU; `tokens_per_step` is what a GPU wants higher."""

    max_running: int = 64  # sequences in one step
    max_waiting: int = 1024  # sequences that are not running; one more is refused
    tokens_per_step: int = 512
    spare_logits: int = 64  # rows of logits in a step beside one a sequence: for drafts and scored prompts
    page_size: int = 16
    checkpoint_interval: int = 2048
    head_start: int = 256  # steps by which one class of priority is served earlier than the next
    drafts: DraftSettings | None = None

    @property
    def most_logits(self) -> int:
        """Rows of logits in the largest step."""
        return self.max_running + self.spare_logits

    def __post_init__(self) -> None:
        _check("max_running", self.max_running, 1)
        _check("max_waiting", self.max_waiting, 1)
        _check("tokens_per_step", self.tokens_per_step, self.max_running)
        _check("spare_logits", self.spare_logits, 1)
        _check("page_size", self.page_size, 1)
        _check("head_start", self.head_start, 0)
        if self.checkpoint_interval < 1 or self.checkpoint_interval % self.page_size:
            raise ConfigError(
                f"checkpoint_interval is {self.checkpoint_interval}; it must be a multiple of page_size "
                f"({self.page_size})"
            )


def _check(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"{name} is {value}; it must be at least {least}")
