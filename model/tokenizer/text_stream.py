"""Turns the bytes of one sequence's tokens into text as they come: whole characters only.

Not here: stop strings, and which tokens are text at all (`Tokenizer.token_bytes` gives b"" for the others).
"""

import codecs


class TextStream:
    """All that it gives, joined, is what decoding all the bytes at once gives, U+FFFD included."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_bytes: bytes) -> str:
        """The characters that are whole now; the beginning of another is held back."""
        return self._decoder.decode(token_bytes)

    def finish(self) -> str:
        """What was held back, as U+FFFD. Afterwards the stream is as new."""
        return self._decoder.decode(b"", final=True)
