"""What a request's client has been told so far, kept so that another worker can go on when one is lost.

Pure. Not here: which worker, and when (the gateway's links).
"""

from dataclasses import dataclass, field, replace

from workers.engine.events import ChoiceDelta, Event, FinishReason, PromptEcho, Usage
from workers.engine.request import GenerationRequest
from workers.engine.written import Written, WrittenChoice


@dataclass(slots=True)
class _Told:
    token_ids: list[int] = field(default_factory=list)
    num_characters: int = 0
    finish: FinishReason | None = None
    num_hidden: int = 0

    @classmethod
    def of(cls, written: WrittenChoice) -> "_Told":
        return cls(list(written.token_ids), written.num_characters, written.finish, written.num_hidden)

    def note(self, delta: ChoiceDelta) -> None:
        self.token_ids += delta.token_ids
        self.num_characters += len(delta.text)
        self.finish = delta.finish
        self.num_hidden += delta.num_hidden

    def written(self) -> WrittenChoice:
        return WrittenChoice(tuple(self.token_ids), self.num_characters, self.finish, self.num_hidden)


class TokenLog:
    """Of one request, whose seed is settled: without one it could not go on."""

    def __init__(self, request: GenerationRequest) -> None:
        assert request.sampling.seed is not None or request.sampling.is_greedy
        self._request = request
        self._choices = [_Told.of(request.written_of(index)) for index in range(request.num_choices)]
        self._is_prompt_told = request.written is not None and request.written.is_prompt_told
        self.has_begun = False  # whether the client has been told anything since

    def note(self, event: Event) -> None:
        """The client is told this now."""
        self.has_begun = True
        match event:
            case PromptEcho():
                self._is_prompt_told = True
            case ChoiceDelta():
                self._choices[event.choice].note(event)

    def rest(self, timeout_s: float | None) -> GenerationRequest:
        """What is left of the request, in this time."""
        written = Written(tuple(told.written() for told in self._choices), self._is_prompt_told)
        return replace(self._request, written=written, timeout_s=timeout_s)

    def usage(self) -> Usage:
        """What is known of the cost of a request that no worker brings to its end."""
        return Usage(
            prompt_tokens=len(self._request.prompt),
            cached_tokens=0,
            output_tokens=sum(len(told.token_ids) + told.num_hidden for told in self._choices),
            reasoning_tokens=0,
            drafted_tokens=0,
            accepted_tokens=0,
            queue_s=0.0,
            compute_s=0.0,
        )
