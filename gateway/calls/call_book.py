"""All calls of one gateway: opened here, found again by id or idempotency key, cancelled, waited for.

Not here: what a call does (`call`). Of one event loop, so nothing here is locked.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.calls.call import Call, CallKind, CallTerms, Translate
from gateway.calls.call_settings import CallSettings
from protos.errors import CallNotKeptError, CapacityError, ConflictError, NotReadyError
from workers.engine.events import Event

logger = logging.getLogger(__name__)

_MAX_NAMED = 10
"""Calls, in one line of the log."""

E = TypeVar("E")
AnyCall = Call[Any]
"""The book does not look at events."""

_FULL_S = 1.0
"""After which a full gateway may be asked again: a hint, as nobody knows when a call ends."""

Submit = Callable[[], AsyncGenerator[Event, None]]


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What a client says of its call, beside what it wants generated."""

    call_id: str
    is_resumable: bool = False  # its events are kept for a while, and it waits for a reader that was lost
    idempotency_key: str | None = None  # the same key: the same call, not another one
    digest: bytes = b""  # of all that is asked for: two requests with one key must be the same
    needs_reader: bool = True  # False: it runs to its end whoever reads it, and its events are kept


@dataclass(frozen=True, slots=True)
class _Keyed:
    call: AnyCall
    digest: bytes


class CallBook:
    """`open` calls until `refuse_new`; `aclose` cancels what is left.

    A key stands for a call that runs or has ended well; one that failed can be asked for again.
    """

    def __init__(self, settings: CallSettings | None = None) -> None:
        self._settings = settings or CallSettings()
        self._calls: dict[str, AnyCall] = {}  # in the order in which they were opened
        self._key_to_call: dict[str, _Keyed] = {}
        self._ended: dict[str, asyncio.TimerHandle] = {}  # kept calls that have ended, oldest first
        self._num_kept_events = 0  # of those
        self._is_draining = False
        self._is_closing = False
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @property
    def num_live(self) -> int:
        return len(self._calls) - len(self._ended)

    def known(self, request: CallRequest) -> AnyCall | None:
        """The call that this key stands for already; raises ConflictError if the key is another request's."""
        if request.idempotency_key is None:
            return None
        keyed = self._key_to_call.get(request.idempotency_key)
        if keyed is None:
            return None
        if keyed.digest != request.digest:
            raise ConflictError(
                f"the idempotency key {request.idempotency_key!r} was used for another request "
                f"({keyed.call.call_id}); take a new key for each request"
            ).about("idempotency_key")
        return keyed.call

    def check_room(self, request: CallRequest) -> None:
        """Whether it could be opened now, before work is done for it; raises what `open` would."""
        if self._is_draining:
            raise NotReadyError("this gateway is about to stop and takes nothing new; ask another one")
        if self.num_live >= self._settings.max_calls:
            full = CapacityError(
                f"{self.num_live} requests are being answered here, and that is the limit (max_calls); try "
                f"again when some have ended"
            )
            full.retry_after_s = _FULL_S
            raise full
        if request.call_id in self._calls and not self._is_retry(request):
            raise ConflictError(
                f"a call {request.call_id!r} is already here; give each request an id of its own"
            ).about("request_id")

    def open(
        self,
        request: CallRequest,
        num_prompt_tokens: int,
        submit: Submit,
        translate: Translate[E],
        opening: Sequence[E] = (),
        kind: CallKind = CallKind.TEXT,
    ) -> Call[E]:
        """Begins it. Raises NotReadyError, CapacityError or ConflictError, and then nothing has begun.

        A call with its key that was opened while the prompt was made is that call. `opening`: events that it
        has before the engine says anything; it is not refused then, but ends with what the engine says.
        """
        if (known := self.known(request)) is not None:
            return known
        self.check_room(request)
        self.forget(request.call_id)  # of a retry: what failed
        patience_s = self._patience_s(request)
        max_held = self._settings.max_unread if patience_s == 0 else self._settings.max_events
        terms = CallTerms(
            request.call_id, num_prompt_tokens, patience_s, max_held, request.idempotency_key, kind
        )
        call = Call(
            terms,
            submit(),
            translate,
            on_end=lambda: self._note_end(request.call_id),
            opening=opening,
            pace_s=lambda: self.num_live / self._settings.writes_per_s,
        )
        self._calls[call.call_id] = call
        if request.idempotency_key is not None:
            self._key_to_call[request.idempotency_key] = _Keyed(call, request.digest)
        self._is_idle.clear()
        call.start()
        return call

    def find(self, call_id: str) -> AnyCall:
        call = self._calls.get(call_id)
        if call is None:
            raise CallNotKeptError(
                f"there is no call {call_id!r} here: it has ended and is not kept any more, or it was never "
                f"taken by this gateway"
            )
        return call

    def forget(self, call_id: str) -> None:
        """The events of a call that has ended, if they are kept; nothing happens to one that has not."""
        if call_id in self._ended:
            self._ended[call_id].cancel()
            self._forget(self._calls[call_id])

    def is_known(self, call_id: str) -> bool:
        return call_id in self._calls

    def refuse_new(self) -> None:
        """From now on; what runs goes on."""
        self._is_draining = True

    @property
    def is_draining(self) -> bool:
        return self._is_draining

    async def wait_idle(self, timeout_s: float) -> bool:
        """Until every call has ended; -> whether all have in this time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._is_idle.wait()
        except TimeoutError:
            return False
        return True

    async def aclose(self) -> None:
        """Cancels what has not ended, and keeps nothing that ends from now on."""
        self.refuse_new()
        self._is_closing = True
        for call in list(self._calls.values()):
            call.cancel(NotReadyError(f"{call.call_id} was ended: the gateway stops"))
        if not await self.wait_idle(self._settings.close_s):
            self._give_up_live()
        for timer in self._ended.values():
            timer.cancel()

    def _give_up_live(self) -> None:
        live = [call for call in self._calls.values() if not call.has_ended]
        logger.warning(
            "calls that do not end within %g s of being cancelled are given up (%d): %s",
            self._settings.close_s,
            len(live),
            ", ".join(call.call_id for call in live[:_MAX_NAMED]),
        )
        for call in live:
            call.give_up()

    def _is_retry(self, request: CallRequest) -> bool:
        """Of a call that has failed, by its id and its key."""
        before = self._calls[request.call_id]
        has_failed = before.has_ended and before.ended.result().error is not None
        return has_failed and request.idempotency_key == before.terms.idempotency_key is not None

    def _patience_s(self, request: CallRequest) -> float | None:
        if not request.needs_reader:
            return None
        is_kept = request.is_resumable or request.idempotency_key is not None
        return self._settings.resume_s if is_kept else 0.0

    def _note_end(self, call_id: str) -> None:
        call = self._calls[call_id]
        if call.ended.result().error is not None:
            self._let_go_key(call)
        if call.is_kept and not call.was_refused and not self._is_closing:
            loop = asyncio.get_running_loop()
            self._ended[call_id] = loop.call_later(self._settings.keep_ended_s, self._forget, call)
            self._num_kept_events += call.num_events
            self._keep_bounds()
        else:
            self._forget(call)
        if not self.num_live:
            self._is_idle.set()

    def _keep_bounds(self) -> None:
        settings = self._settings
        while len(self._ended) > settings.max_kept or self._num_kept_events > settings.max_kept_events:
            self.forget(next(iter(self._ended)))

    def _forget(self, call: AnyCall) -> None:
        if self._ended.pop(call.call_id, None) is not None:
            self._num_kept_events -= call.num_events
        del self._calls[call.call_id]
        self._let_go_key(call)

    def _let_go_key(self, call: AnyCall) -> None:
        """Unless it is another call's by now."""
        key = call.terms.idempotency_key
        if key is not None and key in self._key_to_call and self._key_to_call[key].call is call:
            del self._key_to_call[key]
