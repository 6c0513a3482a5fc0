"""Ctrl-C, SIGTERM and a closed terminal: each ends the program where it is, and lets it clean up.

Not here: what there is to clean up (`server`). On the main thread.
"""

import signal
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_at_signals() -> None:
    """By SystemExit with status 0, each time that one comes."""
    for number in _NUMBERS:
        signal.signal(number, _end)


def ignore_signals() -> None:
    """Once all is cleaned up: while Python ends, the system takes what is not ignored."""
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(0)
