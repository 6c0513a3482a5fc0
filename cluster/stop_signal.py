"""Ctrl-C and SIGTERM as something to wait for, so that a server can end in good order.

Not here: what is done then. Called by `expertmesh serve`, on the main thread.
"""

import os
import signal
import threading
from types import FrameType

STOPPED_BY_PERSON = 130


class StopSignal:
    """The first signal is waited for; the second ends the process at once."""

    def __init__(self) -> None:
        self._has_come = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._come)

    def wait(self, timeout_s: float | None = None) -> bool:
        """-> whether a signal has come."""
        return self._has_come.wait(timeout_s)

    def _come(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._has_come.is_set():
            os._exit(STOPPED_BY_PERSON)
        self._has_come.set()
