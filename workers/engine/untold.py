"""What one choice has to say and its client has not been told: tokens, their log-probabilities, text.

Not here: what may be shown yet (workers.engine.output_text), and what a token means (workers.engine.choice).
"""

from typing import NamedTuple

from model.sampling.sampled_tokens import PositionLogprobs
from workers.engine.output_text import Released


class News(NamedTuple):
    """For a delta."""

    token_ids: tuple[int, ...]
    text: str
    logprobs: tuple[PositionLogprobs, ...]


class Untold:
    """Begins with what the client was told by another worker, and leaves that out."""

    def __init__(self, num_tokens: int, num_characters: int) -> None:
        self._num_told = num_tokens
        self._num_released = 0  # tokens, of all
        self._token_ids: list[int] = []  # those behind the ones that were told
        self._logprobs: list[PositionLogprobs] = []
        self._text = ""
        self.num_characters_ahead = num_characters  # that the client has, and that are still to come here

    @property
    def has_news(self) -> bool:
        return bool(self._text) or self._num_released > self._num_told

    @property
    def num_held(self) -> int:
        """Tokens that may not be shown, or not yet."""
        return self._num_told + len(self._token_ids) - self._num_released

    def add(self, token_id: int, logprobs: PositionLogprobs | None) -> None:
        """The next token was sampled here."""
        self._token_ids.append(token_id)
        if logprobs is not None:
            self._logprobs.append(logprobs)

    def release(self, released: Released) -> None:
        """So much more may be shown."""
        self._num_released += released.num_tokens
        text = released.text
        if self.num_characters_ahead:
            num_known = min(len(text), self.num_characters_ahead)
            self.num_characters_ahead -= num_known
            text = text[num_known:]
        self._text += text

    def release_all(self) -> None:
        """Every token may be shown."""
        self._num_released = self._num_told + len(self._token_ids)

    def take(self) -> News:
        count = max(0, self._num_released - self._num_told)
        news = News(tuple(self._token_ids[:count]), self._text, tuple(self._logprobs[:count]))
        del self._token_ids[:count], self._logprobs[:count]
        self._num_told += count
        self._text = ""
        return news
