"""A request in the engine: its choices, its clock, what it has cost.

Not here: which of its sequences runs when.
"""

from dataclasses import dataclass, field

from model.sampling.sampled_tokens import PositionLogprobs
from protos.errors import ExpertMeshError
from workers.engine.admission import AdmittedRequest
from workers.engine.choice import Choice
from workers.engine.events import PromptEcho, RequestEnded, Usage
from workers.engine.sequence import Sequence


@dataclass(slots=True, eq=False)
class LiveRequest:
    """From its submission to its terminal event."""

    admitted: AdmittedRequest
    submitted_at: float
    deadline_at: float | None = None
    sequences: list[Sequence] = field(default_factory=list)  # none for a choice that is written to its end
    first_step_at: float | None = None
    compute_s: float = 0.0
    prompt_logprobs: list[PositionLogprobs] = field(default_factory=list)
    is_prompt_told: bool = field(init=False)
    num_drafted: int = 0
    num_accepted: int = 0

    def __post_init__(self) -> None:
        written = self.admitted.request.written
        self.is_prompt_told = written is not None and written.is_prompt_told

    @property
    def request_id(self) -> str:
        return self.admitted.request.request_id

    @property
    def choices(self) -> tuple[Choice, ...]:
        return self.admitted.choices

    @property
    def is_finished(self) -> bool:
        return all(sequence.has_left for sequence in self.sequences)

    @property
    def num_cached(self) -> int:
        """Of the prompt's tokens, how many the cache held."""
        return (self.sequences[0].num_cached or 0) if self.sequences else 0

    @property
    def wants_scores(self) -> bool:
        """Whether the log-probabilities of the prompt are still to be computed."""
        return self.admitted.request.sampling.prompt_logprobs is not None and not self.is_prompt_told

    def echo(self, prompt_text: str) -> PromptEcho | None:
        """The prompt as the request wants it back, if it does. Once, when all of it is computed."""
        assert not self.is_prompt_told
        request = self.admitted.request
        scored = request.sampling.prompt_logprobs is not None
        self.is_prompt_told = True
        if not request.echo and not scored:
            return None
        return PromptEcho(
            self.request_id,
            request.prompt if request.echo else (),
            prompt_text if request.echo else "",
            (None, *self.prompt_logprobs) if scored else (),
        )

    def ended(self, now: float, error: ExpertMeshError | None = None) -> RequestEnded:
        """The terminal event."""
        first = now if self.first_step_at is None else self.first_step_at
        usage = Usage(
            prompt_tokens=len(self.admitted.request.prompt),
            cached_tokens=self.num_cached,
            output_tokens=sum(choice.num_output for choice in self.choices),
            reasoning_tokens=sum(choice.num_reasoning for choice in self.choices),
            drafted_tokens=self.num_drafted,
            accepted_tokens=self.num_accepted,
            queue_s=first - self.submitted_at,
            compute_s=self.compute_s,
        )
        return RequestEnded(self.request_id, usage, error)
