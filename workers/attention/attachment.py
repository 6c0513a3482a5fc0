"""One gateway's stream at an attention worker: which of its requests live, and what it has not been sent yet.

Two gateways may use one request id, so the engine knows a request as "<stream>/<id>". Not here: gRPC
(`service`), and whose event is whose (`switchboard`). Any thread may call it; nothing in it waits but `next`.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from protos.errors import CapacityError, ExpertMeshError, InvalidRequestError
from workers.engine.events import Event, RequestEnded

MAX_REQUESTS = 4096
"""Live requests of one stream."""


@dataclass(frozen=True, slots=True)
class Accepted:
    request_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    request_id: str
    error: ExpertMeshError


@dataclass(frozen=True, slots=True)
class StepEvents:
    """What one step has to say to one gateway: (request id of the gateway, event)."""

    events: Sequence[tuple[str, Event]]


Report = Accepted | Refused | StepEvents


@dataclass(slots=True)
class _Life:
    """A request from its submission on. The engine may speak of it before its `submit` has returned."""

    is_taken: bool = False
    is_cancelled: bool = False
    early: list[tuple[str, Event]] = field(default_factory=list)


class Attachment:
    """Open until `close`. A gateway that does not read what it is told is cut off, by `overflow`."""

    def __init__(self, number: int, max_reports: int, overflow: Callable[[], object]) -> None:
        self.number = number
        self._max_reports = max_reports
        self._overflow = overflow
        self._changed = threading.Condition()
        self._reports: deque[Report] = deque()
        self._lives: dict[str, _Life] = {}
        self._is_closed = False
        self._is_sending = False  # what `next` gave last

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def engine_id(self, request_id: str) -> str:
        return f"{self.number}/{request_id}"

    def begin(self, request_id: str) -> bool:
        """A request is being submitted; -> whether it may be, otherwise it is refused here."""
        with self._changed:
            if request_id in self._lives:
                error: ExpertMeshError = InvalidRequestError(
                    f"a request {request_id!r} is already on this stream"
                )
            elif len(self._lives) >= MAX_REQUESTS:
                error = CapacityError(
                    f"{len(self._lives)} requests are on this stream; at most {MAX_REQUESTS} may be, so try "
                    f"again later"
                )
            else:
                self._lives[request_id] = _Life()
                return True
        self._put(Refused(request_id, error))
        return False

    def taken(self, request_id: str) -> bool:
        """The engine has it; -> whether it is still wanted."""
        with self._changed:
            life = self._lives[request_id]
            life.is_taken = True
            self._reports.append(Accepted(request_id))
            if life.early:
                self._reports.append(StepEvents(life.early))
            if life.early and isinstance(life.early[-1][1], RequestEnded):
                del self._lives[request_id]
            self._changed.notify_all()
            return not (self._is_closed or life.is_cancelled)

    def refused(self, request_id: str, error: ExpertMeshError) -> None:
        with self._changed:
            del self._lives[request_id]
        self._put(Refused(request_id, error))

    def cancel(self, request_id: str) -> bool:
        """-> whether the engine has it; one that is still being submitted is cancelled when it is taken."""
        with self._changed:
            life = self._lives.get(request_id)
            if life is None:
                return False
            life.is_cancelled = True
            return life.is_taken

    def tell(self, events: Sequence[tuple[str, Event]]) -> None:
        """What a step has to say; on the engine's thread."""
        with self._changed:
            told = [event for event in events if not self._is_early(*event)]
            for request_id, event in told:
                if isinstance(event, RequestEnded):
                    self._lives.pop(request_id, None)
        if told:
            self._put(StepEvents(told))

    def next(self, timeout_s: float) -> Report | None:
        """The oldest report that has not been sent; None when none comes in this time, or ever.

        Who asks has sent what it was given before.
        """
        with self._changed:
            self._is_sending = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._reports or self._is_closed, timeout_s)
            self._is_sending = bool(self._reports)
            return self._reports.popleft() if self._reports else None

    def wait_sent(self, timeout_s: float) -> bool:
        """-> whether all that there was to say has been sent, or will be heard by nobody."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._is_closed or not (self._reports or self._is_sending), timeout_s
            )

    def close(self) -> list[str]:
        """Nothing is sent any more; -> the requests that the engine still has."""
        with self._changed:
            self._is_closed = True
            self._reports.clear()
            self._changed.notify_all()
            return [request_id for request_id, life in self._lives.items() if life.is_taken]

    def _is_early(self, request_id: str, event: Event) -> bool:
        life = self._lives.get(request_id)
        if life is None or life.is_taken:
            return False
        life.early.append((request_id, event))
        return True

    def _put(self, report: Report) -> None:
        with self._changed:
            if self._is_closed:
                return
            is_full = len(self._reports) >= self._max_reports
            if not is_full:
                self._reports.append(report)
                self._changed.notify_all()
        if is_full:
            self._overflow()
