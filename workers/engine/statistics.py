"""What an engine has done since it began: plain counters, which the metrics read."""

from dataclasses import dataclass

from workers.engine.live_request import LiveRequest


@dataclass(slots=True)
class EngineStatistics:
    """Requests are counted when they end."""

    num_steps: int = 0
    num_tokens: int = 0  # that have run, prompts, outputs and drafts
    num_preemptions: int = 0
    num_requests: int = 0
    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    num_output_tokens: int = 0  # sampled here
    num_drafted: int = 0
    num_accepted: int = 0

    def count(self, live: LiveRequest) -> None:
        """This request has ended."""
        self.num_requests += 1
        self.num_prompt_tokens += len(live.admitted.request.prompt)
        self.num_cached_tokens += live.num_cached
        self.num_output_tokens += sum(
            choice.num_output - choice.written.num_output for choice in live.choices
        )
        self.num_drafted += live.num_drafted
        self.num_accepted += live.num_accepted
