"""How far one request may still be carried from worker to worker: its time, its attempts, who has refused it.

It decides, and does nothing. Used by `failover_link`.
"""

from collections.abc import Callable

from gateway.engine_link.settings import FailoverSettings
from protos.errors import (
    AttentionUnreachableError,
    CapacityError,
    DeadlineExpiredError,
    ExpertMeshError,
    GrpcCode,
)
from workers.engine.request import GenerationRequest

Clock = Callable[[], float]


def is_lost(error: ExpertMeshError | None) -> bool:
    """Whether the worker has failed, and not the request."""
    return error is not None and error.grpc_code is GrpcCode.UNAVAILABLE


class Course:
    """From the submission of a request to its end."""

    def __init__(self, request: GenerationRequest, settings: FailoverSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._limit_s = request.timeout_s
        self._began_at = self._waiting_since = clock()
        self._num_attempts = 0
        self._has_begun = False
        self._last: ExpertMeshError | None = None
        self._failures: dict[str, tuple[float, ExpertMeshError]] = {}  # by address: when, and how

    def has_just_failed(self, address: str) -> bool:
        """A worker that has is left alone for a while."""
        failed_at, _ = self._failures.get(address, (None, None))
        return failed_at is not None and self._clock() - failed_at < self._settings.retry_s

    def time_left(self) -> float | None:
        """For the next worker; raises when there is none."""
        if self._limit_s is None:
            return None
        left_s = self._began_at + self._limit_s - self._clock()
        if left_s <= 0:
            raise DeadlineExpiredError(f"the request did not end within {self._limit_s:g} s")
        return left_s

    def progress(self) -> None:
        """The client is told something."""
        self._has_begun = True
        self._waiting_since = self._clock()

    def failed(self, address: str, error: ExpertMeshError) -> None:
        """This worker does not bring it to its end. Raises what no other worker could mend either."""
        is_full = isinstance(error, CapacityError)
        if not is_full and not is_lost(error):
            raise error
        self._num_attempts += not is_full
        if self._num_attempts >= self._settings.max_attempts:
            raise AttentionUnreachableError(
                f"{self._num_attempts} times an attention worker was lost or stopped while it had the "
                f"request, which is given up lest it bring down more; the last time: {error}"
            ) from error
        self._failures[address] = (self._clock(), error)
        self._last = error

    def wait_s(self) -> float:
        """How long to wait for a worker before asking again; raises when it has waited long enough."""
        left_s = self.time_left()
        if isinstance(self._last, CapacityError) and not self._has_begun:
            raise self._last  # every worker has refused it, so whoever submits it keeps it in a queue
        patience_s = self._waiting_since + self._settings.patience_s - self._clock()
        if patience_s <= 0:
            raise self._last or AttentionUnreachableError(
                f"no attention worker could be reached within {self._settings.patience_s:g} s"
            )
        waits = (self._settings.retry_s, patience_s, left_s)
        return min(wait_s for wait_s in waits if wait_s is not None)
