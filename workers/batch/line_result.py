"""Gathers what the engine says about one line, and puts it as the result that is written.

docs/generate.md tells users the keys. Not here: the line's number and digest (`output_file`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite

from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from protos.errors import ExpertMeshError
from workers.batch.input_file import InputLine
from workers.engine.events import ChoiceDelta, FinishReason, PromptEcho, Usage
from workers.engine.request import GenerationRequest


@dataclass(slots=True)
class _Choice:
    """What there is of one choice so far."""

    text: list[str] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[PositionLogprobs] = field(default_factory=list)
    finish: FinishReason | None = None
    stopped_by: str | int | None = None


class LineResult:
    """One line that the engine has, from its submission to its end."""

    def __init__(self, line: InputLine, line_id: str | None, request: GenerationRequest) -> None:
        self.line = line
        self.line_id = line_id
        self.num_choices = request.num_choices
        self._request = request
        self._choices = [_Choice() for _ in range(request.num_choices)]
        self._prompt: PromptEcho | None = None

    @property
    def num_tokens(self) -> int:
        """That have come so far."""
        return sum(len(choice.token_ids) for choice in self._choices)

    def take(self, event: PromptEcho | ChoiceDelta) -> None:
        if isinstance(event, PromptEcho):
            self._prompt = event
            return
        choice = self._choices[event.choice]
        choice.text.append(event.text)
        choice.token_ids += event.token_ids
        choice.logprobs += event.logprobs
        choice.finish = event.finish
        choice.stopped_by = event.stopped_by

    def document(self, usage: Usage) -> dict[str, object]:
        """Of a line that has ended well."""
        document: dict[str, object] = {
            "choices": [self._choice(index, choice) for index, choice in enumerate(self._choices)]
        }
        if self._prompt is not None:
            document["prompt"] = self._prompt_document(self._prompt)
        seconds = {"queue_s": round(usage.queue_s, 3), "compute_s": round(usage.compute_s, 3)}
        return document | {"usage": asdict(usage) | seconds}

    def _choice(self, index: int, choice: _Choice) -> dict[str, object]:
        assert choice.finish is not None, "a request without an error has finished every choice"
        document: dict[str, object] = {
            "index": index,
            "text": "".join(choice.text),
            "token_ids": choice.token_ids,
            "finish_reason": str(choice.finish),
        }
        if choice.stopped_by is not None:
            document["stopped_by"] = choice.stopped_by
        if self._request.sampling.logprobs is not None:
            document["logprobs"] = _positions(choice.logprobs)
        return document

    def _prompt_document(self, prompt: PromptEcho) -> dict[str, object]:
        document: dict[str, object] = {}
        if self._request.echo:
            document = {"text": prompt.text, "token_ids": prompt.token_ids}
        if self._request.sampling.prompt_logprobs is not None:
            document["logprobs"] = _positions(prompt.logprobs)
        return document


def error_document(error: ExpertMeshError) -> dict[str, object]:
    """Of a line that has no other result."""
    return {
        "error": {"type": type(error).__name__, "message": str(error), "retryable": error.retryable},
    }


def _positions(positions: Sequence[PositionLogprobs | None]) -> list[object]:
    """The first token of a prompt has none."""
    return [
        None
        if position is None
        else {**_token(position.chosen), "top": [_token(token) for token in position.top]}
        for position in positions
    ]


def _token(token: TokenLogprob) -> dict[str, object]:
    """JSON has no infinity; a token that the model rules out has null."""
    return {"token_id": token.token_id, "logprob": token.logprob if isfinite(token.logprob) else None}
