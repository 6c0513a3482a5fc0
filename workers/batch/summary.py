"""What a run of a batch has done, in numbers. The runner counts; a progress bar and the command read."""

from dataclasses import dataclass

from workers.engine.events import Usage


@dataclass(slots=True)
class BatchSummary:
    """Of this run alone, but for the two that an earlier run left."""

    num_lines: int  # that the input has
    num_done_before: int = 0
    num_failed_before: int = 0
    num_done: int = 0
    num_failed: int = 0  # of those
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    num_output_tokens: int = 0
    num_drafted: int = 0
    num_accepted: int = 0
    seconds: float = 0.0

    @property
    def all_done(self) -> int:
        return self.num_done_before + self.num_done

    @property
    def all_failed(self) -> int:
        return self.num_failed_before + self.num_failed

    @property
    def tokens_per_s(self) -> float:
        """Of output."""
        return self.num_output_tokens / self.seconds if self.seconds > 0 else 0.0

    def count_line(self, *, failed: bool) -> None:
        self.num_done += 1
        self.num_failed += failed

    def count_usage(self, usage: Usage) -> None:
        """Of a request that has ended; its output tokens are counted as they come."""
        self.num_prompt_tokens += usage.prompt_tokens
        self.num_cached_tokens += usage.cached_tokens
        self.num_drafted += usage.drafted_tokens
        self.num_accepted += usage.accepted_tokens
