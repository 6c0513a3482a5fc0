"""The text of one choice as it grows, cut before a stop string, half of which never gets out.

Works on bytes: a token may end in the middle of a character, a stop string in the middle of a token. Text is
given out as soon as it cannot be the beginning of a stop string any more, a token with its last byte.
"""

from collections.abc import Sequence
from typing import NamedTuple

from model.tokenizer.text_stream import TextStream


class Released(NamedTuple):
    """What may be shown now: so many more tokens, and the text."""

    num_tokens: int
    text: str
    stopped_by: str | None = None


class OutputText:
    """Takes tokens one by one, says what may be shown of them."""

    def __init__(self, stop_strings: Sequence[str] = ()) -> None:
        self._stops = [(text.encode(), text) for text in stop_strings]
        self._stream = TextStream()
        self._held = b""
        self._tokens: list[
            tuple[int, int]
        ] = []  # where each that is held begins and ends, in bytes of `_held`

    def push(self, content: bytes, *, looks_for_stops: bool = True) -> Released:
        """The next token spells `content`; one that spells nothing (a control token) parts the text."""
        if not self._stops:
            return Released(1, self._stream.push(content))
        if not looks_for_stops or not content:
            before = self.flush()
            return Released(before.num_tokens + 1, before.text + self._stream.push(content))
        self._tokens.append((len(self._held), len(self._held) + len(content)))
        self._held += content
        found = self._first_stop()
        if found is not None:
            return self._cut(*found)
        return self._release(len(self._held) - self._longest_beginning())

    def flush(self) -> Released:
        """Nothing that is held back was the beginning of a stop string."""
        return self._release(len(self._held))

    def finish(self) -> Released:
        """No token will follow."""
        rest = self.flush()
        return Released(rest.num_tokens, rest.text + self._stream.finish())

    def _first_stop(self) -> tuple[int, str] | None:
        found = [(self._held.find(content), text) for content, text in self._stops]
        return min(((place, text) for place, text in found if place >= 0), default=None)

    def _cut(self, num_bytes: int, stopped_by: str) -> Released:
        num_tokens = sum(begin < num_bytes for begin, _ in self._tokens)
        text = self._stream.push(self._held[:num_bytes]) + self._stream.finish()
        self._held, self._tokens = b"", []
        return Released(num_tokens, text, stopped_by)

    def _longest_beginning(self) -> int:
        """How many bytes at the end of what is held may be the beginning of a stop string."""
        longest = max(len(content) for content, _ in self._stops) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            end = self._held[-length:]
            if any(content.startswith(end) for content, _ in self._stops):
                return length
        return 0

    def _release(self, num_bytes: int) -> Released:
        num_tokens = sum(end <= num_bytes for _, end in self._tokens)
        text = self._stream.push(self._held[:num_bytes])
        self._held = self._held[num_bytes:]
        self._tokens = [(begin - num_bytes, end - num_bytes) for begin, end in self._tokens[num_tokens:]]
        return Released(num_tokens, text)
