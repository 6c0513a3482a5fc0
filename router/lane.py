"""A standing stream of frames to one worker, opened again whenever it breaks, for as long as it is wanted.

What comes goes into the inbox that all lanes of an exchange share. No more frames are on
their way than the worker gave credits for; the others wait here. Not here: what frames mean, and what becomes
of those that a broken lane has lost (`router.exchange`).
"""

import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from protos.errors import FrameError
from router.channel import TlsFiles, open_channel
from router.dispatch_frames import Hello
from router.frame import decode
from router.stream import Stream, StreamOpener, open_stream

logger = logging.getLogger(__name__)

METHOD = "/expertmesh.expert.v1.FrameService/Exchange"
"""Not in any .proto: its messages are frames, and no serialiser touches them (docs/frames.md)."""

_LEAST_PAUSE_S, _MOST_PAUSE_S = 0.05, 1.0


@dataclass(frozen=True, slots=True)
class LaneOpened:
    """The worker has greeted; frames may be sent."""

    lane: "Lane"
    hello: Hello


@dataclass(frozen=True, slots=True)
class LaneLost:
    """Whatever was on its way in this lane will not be answered."""

    lane: "Lane"
    reason: str
    was_open: bool  # else nothing was on its way


@dataclass(frozen=True, slots=True)
class FrameArrived:
    """A frame as it came, unread."""

    lane: "Lane"
    data: bytes


LaneEvent = LaneOpened | LaneLost | FrameArrived


class Inbox(Protocol):
    """Where lanes put what happens, from their threads."""

    def put(self, event: LaneEvent) -> None: ...


class Lane:
    """`start`, then `send` between LaneOpened and LaneLost, from one thread; `close` from any."""

    def __init__(
        self,
        worker: str,
        address: str,
        inbox: Inbox,
        *,
        max_frame_bytes: int,
        tls: TlsFiles | None = None,
        opener: StreamOpener = open_stream,
    ) -> None:
        self.worker = worker
        self.address = address
        self._inbox = inbox
        self._max_frame_bytes = max_frame_bytes
        self._opener = opener
        self._channel = open_channel(address, max_frame_bytes, tls)
        self._is_closed = threading.Event()
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._is_open = False
        self._waiting: deque[bytes] = deque()
        self._credits = self._most_credits = 0
        self._restarted_because: str | None = None
        self._thread = threading.Thread(target=self._keep_open, name=f"expertmesh-lane-{worker}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def send(self, frame: bytes) -> None:
        """Now, or when the worker has answered others. A lane that is not open loses it."""
        with self._lock:
            if not self._is_open or self._stream is None:
                return
            if self._credits == 0:
                self._waiting.append(frame)
                return
            self._credits -= 1
            stream = self._stream
        stream.send(frame)

    def drop_waiting(self) -> None:
        """Nobody wants the answers to frames that have not even been sent."""
        with self._lock:
            self._waiting.clear()

    def restart(self, reason: str) -> None:
        """What comes on this stream cannot be trusted: LaneLost follows, and another stream."""
        with self._lock:
            stream = self._stream if self._is_open else None
            if stream is not None:
                self._restarted_because = reason
        if stream is not None:
            stream.cancel()

    def close(self) -> None:
        """No event follows."""
        self._is_closed.set()
        self._channel.close()
        if self._thread.ident is not None:
            self._thread.join()

    def _keep_open(self) -> None:
        pause = _LEAST_PAUSE_S
        while not self._is_closed.is_set():
            self._restarted_because = None
            try:
                self._stream = self._opener(self._channel, METHOD, self._take)
                reason = self._stream.run()
            except FrameError as error:
                reason = str(error)
            except Exception as error:  # whatever it is, the worker must be tried again
                if not self._is_closed.is_set():
                    logger.exception("the lane to worker %s broke; it is opened again", self.worker)
                reason = repr(error)
            was_open = self._forget()
            if self._is_closed.is_set():
                return
            self._inbox.put(LaneLost(self, self._restarted_because or reason, was_open))
            pause = _LEAST_PAUSE_S if was_open else pause
            self._is_closed.wait(pause)
            pause = min(2 * pause, _MOST_PAUSE_S)

    def _take(self, data: bytes) -> None:
        """What comes, from a thread of gRPC's."""
        if self._is_open:
            self._inbox.put(FrameArrived(self, data))
            self._answered()
            return
        hello = Hello.of(decode(data, self._max_frame_bytes))
        with self._lock:
            self._credits = self._most_credits = hello.credits
            self._is_open = True
        self._inbox.put(LaneOpened(self, hello))

    def _answered(self) -> None:
        """Every frame is answered by one, which gives its credit back."""
        with self._lock:
            if not self._waiting or self._stream is None:
                self._credits = min(self._credits + 1, self._most_credits)  # some answer twice
                return
            frame, stream = self._waiting.popleft(), self._stream
        stream.send(frame)

    def _forget(self) -> bool:
        """-> whether the stream was open"""
        with self._lock:
            was_open, self._is_open = self._is_open, False
            self._stream = None
            self._waiting.clear()
            self._credits = 0
            return was_open
