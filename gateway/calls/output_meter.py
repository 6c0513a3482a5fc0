"""Counts what a call has put out, for calls whose engine cannot say it any more: cancelled, or broken."""

from workers.engine.events import ChoiceDelta, Event, RequestEnded, Usage


class OutputMeter:
    """`note` every event; `usage` is what is known then."""

    def __init__(self, num_prompt_tokens: int) -> None:
        self._num_prompt_tokens = num_prompt_tokens
        self._num_output = 0
        self._said: Usage | None = None

    def note(self, event: Event) -> None:
        match event:
            case ChoiceDelta():
                self._num_output += len(event.token_ids) + event.num_hidden
            case RequestEnded():
                self._said = event.usage

    def usage(self) -> Usage:
        """What the engine said, or, if it said nothing, the tokens that came from it."""
        return self._said or Usage(
            prompt_tokens=self._num_prompt_tokens,
            cached_tokens=0,
            output_tokens=self._num_output,
            reasoning_tokens=0,
            drafted_tokens=0,
            accepted_tokens=0,
            queue_s=0.0,
            compute_s=0.0,
        )
