"""Follows the harmony channels of one choice: how many tokens it reasons, and when that must end.

Pure. It knows the marks of a harmony message, not its meaning: the gateway parses messages.
"""

from collections.abc import Callable, Sequence
from copy import copy
from enum import Enum, auto

from model.tokenizer.harmony_marks import HarmonyMarks

_ANALYSIS = b"analysis"
_RECIPIENT = b"to="
_SHORTEST_HEADER = 3
"""The tokens that an answer must break off with before it reasons again: channel, its name, message."""


class _Part(Enum):
    """Which part of a message's header is being written."""

    NONE = auto()
    ROLE = auto()
    CHANNEL = auto()


class ReasoningMeter:
    """Begins with a prompt, whose end may be in the middle of a message."""

    def __init__(
        self,
        marks: HarmonyMarks,
        token_bytes: Callable[[int], bytes],
        budget: int | None,
        prompt: Sequence[int],
    ) -> None:
        self._marks = marks
        self._control_ids = frozenset(
            (marks.start, marks.end, marks.message, marks.channel, marks.return_, marks.call, marks.constrain)
        )
        self._token_bytes = token_bytes
        self._budget = budget
        self._role, self._channel = b"", b""
        self._part = _Part.NONE
        self._closing: tuple[int, ...] = ()
        self._is_call = False  # whether what is written is meant for a tool
        self.is_reasoning = False
        self.num_tokens = 0
        for token_id in _last_message(prompt, marks):
            self._follow(token_id)

    @property
    def forced(self) -> int | None:
        """The token that must come next, if the budget is spent or the channel is being closed."""
        if self._closing:
            return self._closing[0]
        if self.is_reasoning and self._budget is not None and self.num_tokens >= self._budget:
            return self._marks.closing_of_analysis[0]
        return None

    @property
    def num_free(self) -> int | None:
        """How many tokens at least will not be forced; None: no end in sight."""
        if self._closing:
            return 0
        if self._budget is None:
            return None
        left = max(0, self._budget - self.num_tokens)
        return left + _SHORTEST_HEADER if self._is_in_text and not self.is_reasoning else left

    @property
    def is_in_answer(self) -> bool:
        """Whether text is neither reasoning, nor part of a message's header, nor the arguments of a call."""
        return self._is_in_text and not self.is_reasoning and not self._is_call

    @property
    def _is_in_text(self) -> bool:
        return self._part is _Part.NONE

    def copy(self) -> "ReasoningMeter":
        """For another choice of the same request, before anything is written."""
        return copy(self)

    def push(self, token_id: int) -> None:
        """The choice has written this token."""
        if token_id == self.forced:
            self._closing = (self._closing or self._marks.closing_of_analysis)[1:]
        else:
            self._closing = ()
            self.num_tokens += self.is_reasoning and token_id not in self._control_ids
        self._follow(token_id)

    def _follow(self, token_id: int) -> None:
        marks = self._marks
        if token_id == marks.message:
            words = self._channel.split()
            self._is_call = any(word.startswith(_RECIPIENT) for word in self._role.split() + words)
            self.is_reasoning = words[:1] == [_ANALYSIS] and not self._is_call
            self._part = _Part.NONE
        elif token_id in self._control_ids:
            self.is_reasoning = self._is_call = False
            if token_id == marks.start:
                self._role, self._channel, self._part = b"", b"", _Part.ROLE
            elif token_id == marks.channel:
                self._channel, self._part = b"", _Part.CHANNEL
        elif self._part is _Part.ROLE:
            self._role += self._token_bytes(token_id)
        elif self._part is _Part.CHANNEL:
            self._channel += self._token_bytes(token_id)


def _last_message(prompt: Sequence[int], marks: HarmonyMarks) -> Sequence[int]:
    """From the mark that begins it; nothing when there is none. Searched in C: prompts may be long."""
    backwards = prompt[::-1]
    for mark in (marks.start, marks.channel):
        if mark in backwards:
            return prompt[len(prompt) - 1 - backwards.index(mark) :]
    return ()
