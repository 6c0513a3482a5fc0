"""The engine: one thread that owns the device, and a door for everyone else.

Requests come in from any thread and are admitted, or refused, on it. Events go out once a step, all of a step
together, through `deliver`, on the engine's thread; whoever takes them must not linger.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from protos.errors import CapacityError, EngineStoppedError, InvalidRequestError
from workers.engine.admission import Admission
from workers.engine.core import EngineCore
from workers.engine.door import Deliver
from workers.engine.events import Event, RequestEnded
from workers.engine.load import EngineLoad, ServingState
from workers.engine.request import GenerationRequest

logger = logging.getLogger(__name__)


class Engine:
    """`start`, then `submit` and `cancel` from anywhere, then `close`."""

    def __init__(self, core: EngineCore, admission: Admission, *, max_waiting: int, deliver: Deliver) -> None:
        self._core = core
        self._admission = admission
        self._max_waiting = max_waiting
        self._deliver = deliver
        self._changed = threading.Condition()
        self._commands: list[Callable[[], None]] = []  # for the core, in the order in which they came
        self._ids: set[str] = set()
        self._num_incoming = self._num_waiting = 0  # sequences: in commands, and in the core
        self._stopped: str | None = None  # why
        self._is_draining = False
        self._is_telling = False  # events of a step are on their way to `deliver`
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="expertmesh-engine", daemon=True)

    @property
    def context_limit(self) -> int:
        return self._admission.context_limit

    @property
    def load(self) -> EngineLoad:
        core = self._core
        with self._changed:
            num_waiting, state = core.num_waiting + self._num_incoming, self._state
        return EngineLoad(core.num_running, num_waiting, core.pool.num_free, core.pool.num_pages, state)

    @property
    def num_requests(self) -> int:
        """Those that have not ended."""
        with self._changed:
            return len(self._ids)

    def start(self) -> None:
        self._thread.start()

    def submit(self, request: GenerationRequest) -> None:
        """Take the request, or raise; once taken it ends in exactly one RequestEnded."""
        submitted_at = time.monotonic()
        with self._changed:
            self._check_door(request)  # before a grammar is compiled for nothing
        admitted = self._admission.admit(request)
        with self._changed:
            self._check_door(request)
            self._num_incoming += request.num_choices
            self._ids.add(request.request_id)
            self._commands.append(lambda: self._core.add(admitted, submitted_at))
            self._changed.notify_all()

    def cancel(self, request_id: str) -> None:
        """End it at the next step, if it has not ended by then."""
        with self._changed:
            if request_id in self._ids:
                self._commands.append(lambda: self._core.cancel(request_id))
                self._changed.notify_all()

    def drain(self, timeout_s: float | None = None) -> bool:
        """Take nothing new and wait until all has ended; -> whether it has."""
        with self._changed:
            self._is_draining = True
            return self._changed.wait_for(lambda: not self._ids and not self._is_telling, timeout_s)

    def close(self) -> None:
        """Stop now: what has not ended ends with EngineStoppedError."""
        self._stop("the engine was stopped")
        if self._thread.ident is None:
            self._end()  # it was never started
        else:
            self._thread.join()

    def wait_ended(self, timeout_s: float | None = None) -> bool:
        """Wait until the engine has stopped or broken, and every request has had its end."""
        return self._has_ended.wait(timeout_s)

    @property
    def _state(self) -> ServingState:
        if self._stopped is not None:
            return ServingState.STOPPED
        return ServingState.DRAINING if self._is_draining else ServingState.SERVING

    def _check_door(self, request: GenerationRequest) -> None:
        if self._stopped is not None:
            raise EngineStoppedError(self._stopped)
        if self._is_draining:
            raise EngineStoppedError("the engine takes no new requests: it finishes what it has")
        if request.request_id in self._ids:
            raise InvalidRequestError(f"a request {request.request_id!r} is already here")
        if request.num_choices > self._max_waiting:
            raise InvalidRequestError(
                f"num_choices is {request.num_choices}; at most {self._max_waiting} sequences may wait here "
                f"(max_waiting), so ask for fewer"
            )
        num_waiting = self._num_waiting + self._num_incoming
        if num_waiting + request.num_choices > self._max_waiting:
            raise CapacityError(
                f"{num_waiting} sequences wait already and {request.num_choices} more are asked for; at "
                f"most {self._max_waiting} may wait, so try again later"
            )

    def _stop(self, reason: str) -> None:
        with self._changed:
            self._stopped = self._stopped or reason
            self._changed.notify_all()

    def _serve(self) -> None:
        try:
            while self._take_in():
                self._give_out(self._core.step())
        except BaseException as error:
            logger.exception("the engine broke, and ends every request")
            self._stop(f"the engine broke: {error!r}")
        finally:
            self._end()

    def _end(self) -> None:
        """Whatever happens here, the core is closed and nobody waits for this engine any more."""
        try:
            self._take_in()
            assert self._stopped is not None
            self._give_out(self._core.end_all(EngineStoppedError(self._stopped)))
        except Exception:
            logger.exception("the last events of the engine did not arrive")
        finally:
            self._core.close()
            with self._changed:
                self._ids.clear()
                self._changed.notify_all()
            self._has_ended.set()

    def _take_in(self) -> bool:
        """Wait for something to do; -> False when the engine is to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._commands or self._core.has_work or self._stopped)
            commands, self._commands = self._commands, []
            self._num_waiting, self._num_incoming = self._num_waiting + self._num_incoming, 0
        for command in commands:  # not under the lock: a long prompt takes a moment
            command()
        return self._stopped is None

    def _give_out(self, events: Sequence[Event]) -> None:
        ended = [event.request_id for event in events if isinstance(event, RequestEnded)]
        with self._changed:
            self._num_waiting = self._core.num_waiting
            self._ids.difference_update(ended)
            self._is_telling = bool(events)
        try:
            if events:
                self._deliver(events)
        finally:
            with self._changed:
                self._is_telling = False
                if ended:
                    self._changed.notify_all()
