"""The engine: one thread that owns the device, and a door for everyone else.

Requests come in from any thread and are admitted, or refused, on it. Events go out once a step, all of a step
together, through `deliver`, on the engine's thread; whoever takes them must not linger.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from protos.errors import CapacityError, EngineStoppedError, InvalidRequestError
from workers.engine.admission import Admission, AdmittedRequest
from workers.engine.core import EngineCore
from workers.engine.events import Event, RequestEnded
from workers.engine.request import GenerationRequest

logger = logging.getLogger(__name__)

Deliver = Callable[[Sequence[Event]], None]


class Engine:
    """`start`, then `submit` and `cancel` from anywhere, then `close`."""

    def __init__(self, core: EngineCore, admission: Admission, *, max_waiting: int, deliver: Deliver) -> None:
        self._core = core
        self._admission = admission
        self._max_waiting = max_waiting
        self._deliver = deliver
        self._changed = threading.Condition()
        self._submitted: deque[tuple[AdmittedRequest, float]] = deque()
        self._cancelled: deque[str] = deque()
        self._ids: set[str] = set()
        self._num_waiting = 0
        self._stopped: EngineStoppedError | None = None
        self._is_draining = False
        self._thread = threading.Thread(target=self._serve, name="expertmesh-engine", daemon=True)

    @property
    def context_limit(self) -> int:
        return self._admission.context_limit

    def start(self) -> None:
        self._thread.start()

    def submit(self, request: GenerationRequest) -> None:
        """Take the request, or raise; once taken it ends in exactly one RequestEnded."""
        admitted = self._admission.admit(request)
        with self._changed:
            if self._stopped is not None:
                raise self._stopped
            if self._is_draining:
                raise EngineStoppedError("the engine takes no new requests: it finishes what it has")
            if request.request_id in self._ids:
                raise InvalidRequestError(f"a request {request.request_id!r} is already here")
            num_waiting = self._num_waiting + request.num_choices
            if num_waiting > self._max_waiting:
                raise CapacityError(
                    f"{self._num_waiting} sequences wait already and {request.num_choices} more are asked "
                    f"for; at most {self._max_waiting} may wait, so try again later"
                )
            self._num_waiting = num_waiting
            self._ids.add(request.request_id)
            self._submitted.append((admitted, time.monotonic()))
            self._changed.notify_all()

    def cancel(self, request_id: str) -> None:
        """End it at the next step, if it has not ended by then."""
        with self._changed:
            self._cancelled.append(request_id)
            self._changed.notify_all()

    def drain(self, timeout_s: float | None = None) -> bool:
        """Take nothing new and wait until all has ended; -> whether it has."""
        with self._changed:
            self._is_draining = True
            return self._changed.wait_for(lambda: not self._ids, timeout_s)

    def close(self) -> None:
        """Stop now: what has not ended ends with EngineStoppedError."""
        self._stop(EngineStoppedError("the engine was stopped"))
        if self._thread.is_alive():
            self._thread.join()

    def _stop(self, reason: EngineStoppedError) -> None:
        with self._changed:
            self._stopped = self._stopped or reason
            self._changed.notify_all()

    def _serve(self) -> None:
        try:
            while self._take_in():
                self._give_out(self._core.step())
        except Exception as error:
            logger.exception("the engine broke, and ends every request")
            self._stop(EngineStoppedError(f"the engine broke: {error!r}"))
        finally:
            self._take_in()
            assert self._stopped is not None
            self._give_out(self._core.end_all(self._stopped))
            self._core.close()

    def _take_in(self) -> bool:
        """Wait for something to do; -> False when the engine is to stop."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._submitted or self._cancelled or self._core.has_work or self._stopped
            )
            while self._submitted:
                self._core.add(*self._submitted.popleft())
            while self._cancelled:
                self._core.cancel(self._cancelled.popleft())
            return self._stopped is None

    def _give_out(self, events: Sequence[Event]) -> None:
        ended = [event.request_id for event in events if isinstance(event, RequestEnded)]
        if events:
            self._deliver(events)
        with self._changed:
            self._num_waiting = self._core.num_waiting + sum(
                admitted.request.num_choices for admitted, _ in self._submitted
            )
            if ended:
                self._ids.difference_update(ended)
                self._changed.notify_all()
