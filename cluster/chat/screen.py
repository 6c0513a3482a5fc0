"""How an answer looks: reasoning dimmed (or in brackets), tool calls shown, a line on what it has cost.

It prints, and decides nothing. Where it is plain, the answer is printed and nothing else. Not here: what is
read from the person (`session`).
"""

from enum import Enum, auto
from typing import TextIO

from cluster.chat.deltas import Content, Delta, Finished, Reasoning, Spent, ToolCallPart

_RESET, _DIM, _BOLD, _ACCENT, _WRONG = "\x1b[0m", "\x1b[2m", "\x1b[1m", "\x1b[36m", "\x1b[31m"
_SHOWN_CONTROLS = frozenset("\n\t")
_FINISH_TO_WORDS = {
    "length": "cut off: no more tokens were allowed",
    "content_filter": "cut off by the gateway's policy",
}


class _Part(Enum):
    """Of an answer; a new one begins on a line of its own."""

    NOTHING = auto()
    REASONING = auto()
    CONTENT = auto()
    TOOL_CALL = auto()


class Screen:
    """`begin`, `show` each delta, `end`; and `note` between answers."""

    def __init__(self, out: TextIO, *, is_plain: bool, has_color: bool, aside: TextIO | None = None) -> None:
        """`is_plain`: the answer's text alone; that it was cut off is said `aside`."""
        self._out = out
        self._aside = aside
        self._is_plain = is_plain
        self._has_color = has_color and not is_plain
        self._part = _Part.NOTHING
        self._tool_call: int | None = None
        self._is_at_line_start = True

    def begin(self) -> None:
        self._part, self._tool_call = _Part.NOTHING, None

    def show(self, delta: Delta) -> None:
        match delta:
            case Content(text):
                self._enter(_Part.CONTENT)
                self._write(text)
            case Reasoning(text) if not self._is_plain:
                self._enter(_Part.REASONING)
                self._write(text, _DIM)
            case ToolCallPart() if not self._is_plain:
                self._show_call(delta)
            case Finished(reason) if reason in _FINISH_TO_WORDS:
                self._say_why(_FINISH_TO_WORDS[reason])

    def end(self, spent: Spent | None, seconds: float, first_s: float | None, *, is_cancelled: bool) -> None:
        """The answer is whole, or was cancelled."""
        self._leave()
        if not self._is_plain:
            cost = _cost(spent, seconds, first_s)
            self.note(f"[cancelled · {cost}]" if is_cancelled else f"[{cost}]")
            self._write("\n")

    def note(self, text: str) -> None:
        """A line of the program's own, which is no part of the answer."""
        self._write(f"{text}\n", _DIM)

    def complain(self, text: str) -> None:
        self._leave()
        self._write(f"{text}\n", _WRONG)

    def _say_why(self, words: str) -> None:
        self._leave()
        if not self._is_plain:
            self.note(f"({words})")
        elif self._aside is not None:
            print(f"expertmesh: the answer is {words}", file=self._aside)

    def styled(self, text: str, *, is_bold: bool = False) -> str:
        """For prompts, which readline prints: it is told what has no width."""
        style = _BOLD if is_bold else _ACCENT
        return f"\1{style}\2{text}\1{_RESET}\2" if self._has_color else text

    def _show_call(self, part: ToolCallPart) -> None:
        self._enter(_Part.TOOL_CALL)
        if part.index != self._tool_call:
            self._end_line()
            self._tool_call = part.index
            self._write(f"-> {part.name or 'a tool'} ", _ACCENT)
        self._write(part.arguments)

    def _enter(self, part: _Part) -> None:
        if part is self._part:
            return
        was_reasoning = self._part is _Part.REASONING
        self._leave()
        if was_reasoning:
            self._write("\n")
        if part is _Part.REASONING and not self._has_color:
            self._write("(")
        self._part = part

    def _leave(self) -> None:
        """The part that was last, for good; where reasoning cannot be dimmed it stands in brackets."""
        if self._part is _Part.REASONING and not self._has_color:
            self._write(")")
        self._end_line()
        self._part = _Part.NOTHING

    def _end_line(self) -> None:
        if not self._is_at_line_start:
            self._write("\n")

    def _write(self, text: str, style: str | None = None) -> None:
        shown = _harmless(text)
        if not shown:
            return
        self._is_at_line_start = shown.endswith("\n")
        self._out.write(f"{style}{shown}{_RESET}" if style and self._has_color else shown)
        self._out.flush()


def _harmless(text: str) -> str:
    """A model may write anything, and a terminal obeys some of it."""
    return "".join(each for each in text if each.isprintable() or each in _SHOWN_CONTROLS)


def _cost(spent: Spent | None, seconds: float, first_s: float | None) -> str:
    said = []
    if spent is not None:
        cached = f" ({spent.cached} cached)" if spent.cached else ""
        reasoning = f" ({spent.reasoning} reasoning)" if spent.reasoning else ""
        said += [f"{spent.prompt} in{cached}", f"{spent.output} out{reasoning}"]
    first = "" if first_s is None else f"first {first_s:.2f} s, "
    said.append(f"{first}all {seconds:.1f} s")
    if spent is not None and first_s is not None and spent.output > 1 and seconds > first_s:
        said.append(f"{(spent.output - 1) / (seconds - first_s):.0f} tokens/s")
    return " · ".join(said)
