"""What becomes of the engine's events in a completion: text, log-probabilities in the old shape, a finish.

Pure. The same for a stream, which gives it away piece by piece, and for a whole answer, which lets it add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.http_face.token_names import TokenNames, finite
from model.sampling.sampled_tokens import PositionLogprobs
from model.tokenizer.text_stream import TextStream
from workers.engine.events import ChoiceDelta, FinishReason, PromptEcho


@dataclass(slots=True)
class ChoiceText:
    """What is new of one choice. `take_echo` before all deltas."""

    names: TokenNames
    text: str = ""
    finish: FinishReason | None = None
    logprobs: list[tuple[int, PositionLogprobs | None]] = field(default_factory=list)  # of each token
    _offsets: list[int] = field(default_factory=list)  # where the text of each begins
    _offset: int = 0  # where that of the next token begins
    _characters: TextStream = field(default_factory=TextStream)

    def take_echo(self, echo: PromptEcho) -> None:
        self.text += echo.text
        if echo.logprobs:
            self._add_logprobs(list(zip(echo.token_ids, echo.logprobs, strict=True)))
            self._offset += len(self._characters.finish())

    def take(self, delta: ChoiceDelta) -> None:
        self.text += delta.text
        self.finish = delta.finish or self.finish
        self._add_logprobs([(position.chosen.token_id, position) for position in delta.logprobs])

    @property
    def has_news(self) -> bool:
        return bool(self.text or self.logprobs) or self.finish is not None

    def document(self, index: int, *, with_logprobs: bool) -> dict[str, object]:
        return {
            "index": index,
            "text": self.text,
            "logprobs": self._logprobs() if with_logprobs else None,
            "finish_reason": None if self.finish is None else self.finish.value,
        }

    def clear(self) -> None:
        """It has been given away."""
        self.text = ""
        self.logprobs = []
        self._offsets = []
        self.finish = None

    def _add_logprobs(self, logprobs: Sequence[tuple[int, PositionLogprobs | None]]) -> None:
        """A character belongs to the token that ends it, and a token begins where the text has come to."""
        for token_id, _ in logprobs:
            self._offsets.append(self._offset)
            self._offset += len(self._characters.push(self.names.spoken_bytes_of(token_id)))
        self.logprobs += logprobs

    def _logprobs(self) -> dict[str, object]:
        return {
            "tokens": [self.names.legacy_text_of(token_id) for token_id, _ in self.logprobs],
            "token_logprobs": [
                None if position is None else finite(position.chosen.logprob) for _, position in self.logprobs
            ],
            "top_logprobs": [self._top(position) for _, position in self.logprobs],
            "text_offset": list(self._offsets),
        }

    def _top(self, position: PositionLogprobs | None) -> dict[str, float] | None:
        """None where there is nothing to say; the token itself stands in it too, as it always has."""
        if position is None:
            return None
        return {
            self.names.legacy_text_of(token.token_id): finite(token.logprob)
            for token in (*position.top, position.chosen)
        }
