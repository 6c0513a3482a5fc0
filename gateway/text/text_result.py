"""A whole generation, added up from its events: what the unary twins of streams give back.

Pure. Not here: the wire, and errors (`calls.whole`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from model.sampling.sampled_tokens import PositionLogprobs
from workers.engine.events import ChoiceDelta, Event, FinishReason, PromptEcho, RequestEnded, Usage


@dataclass(slots=True)
class TextChoice:
    """One choice, as far as it has come."""

    token_ids: list[int] = field(default_factory=list)
    text: str = ""
    logprobs: list[PositionLogprobs] = field(default_factory=list)
    finish: FinishReason | None = None
    stopped_by: str | int | None = None
    num_hidden: int = 0


class TextResult:
    """`take` every batch; it is whole when `usage` is there."""

    def __init__(self, num_choices: int) -> None:
        self.choices = [TextChoice() for _ in range(num_choices)]
        self.echo: PromptEcho | None = None
        self.usage: Usage | None = None

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case PromptEcho():
                    self.echo = event
                case ChoiceDelta():
                    self._take_delta(self.choices[event.choice], event)
                case RequestEnded():
                    self.usage = event.usage

    def _take_delta(self, choice: TextChoice, delta: ChoiceDelta) -> None:
        choice.token_ids += delta.token_ids
        choice.text += delta.text
        choice.logprobs += delta.logprobs
        if delta.finish is not None:
            choice.finish, choice.stopped_by = delta.finish, delta.stopped_by
            choice.num_hidden = delta.num_hidden
