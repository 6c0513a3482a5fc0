"""One request that the gateway has taken: its events as they come, numbered, for whoever reads them.

It outlives its reader only if it may be resumed; else it is cancelled, and the engine's pages are free, as
soon as nobody reads. It ends in exactly one RequestEnded. Not here: which calls there are (`call_book`), what
the events mean (whoever opens the call gives the translation), and the wire. Of one event loop.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from gateway.calls.output_meter import OutputMeter
from protos.errors import (
    CallNotKeptError,
    CapacityError,
    ExpertMeshError,
    InternalError,
    RequestCancelledError,
    SlowReaderError,
)
from workers.engine.events import Event, RequestEnded

logger = logging.getLogger(__name__)

E = TypeVar("E")
Translate = Callable[[Event], Sequence[E | RequestEnded]]
"""What one event of the engine is in the words of this call; the terminal event stays what it is."""


class Batch(NamedTuple, Generic[E]):
    """All that is new; the event `events[i]` has the number `first + i`."""

    first: int
    events: Sequence[E | RequestEnded]

    @property
    def last(self) -> int:
        return self.first + len(self.events) - 1


class CallKind(StrEnum):
    """In which words its events are told."""

    TEXT = "text"  # the engine's
    CHAT = "chat"
    TOLD = "told"  # a chat's, in the words of whoever opened it


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What was agreed on when the call was opened."""

    call_id: str
    num_prompt_tokens: int
    resume_s: float | None  # that it waits for a reader; 0: it ends with its reader; None: it needs none
    max_held: int  # events: of a call that is kept all that it has, else those that nobody has read
    idempotency_key: str | None = None
    kind: CallKind = CallKind.TEXT


class Call(Generic[E]):
    """`start`, then `batches`, as often as somebody wants to read."""

    def __init__(
        self,
        terms: CallTerms,
        source: AsyncGenerator[Event, None],
        translate: Translate[E],
        *,
        on_end: Callable[[], None] = lambda: None,
        pace_s: Callable[[], float] = lambda: 0.0,
        opening: Sequence[E] = (),
    ) -> None:
        """`on_end` is called at the moment of its end; `pace_s` says how far batches are apart at least."""
        self.terms = terms
        self._source = source
        self._translate = translate
        self._on_end = on_end
        self._pace_s = pace_s
        self._meter = OutputMeter(terms.num_prompt_tokens)
        self._log: list[E | RequestEnded] = [*opening]
        self._first = 0  # the number of the first event that is still kept
        self._news = asyncio.Event()
        self._num_readers = 0
        self._refusal: ExpertMeshError | None = None
        self._why_cancelled: ExpertMeshError | None = None
        self._pumping: asyncio.Task[None] | None = None
        self._abandonment: asyncio.TimerHandle | None = None
        self.ended: asyncio.Future[RequestEnded] = asyncio.get_running_loop().create_future()

    @property
    def call_id(self) -> str:
        return self.terms.call_id

    @property
    def is_kept(self) -> bool:
        """Whether events that have been read can be read again."""
        return self.terms.resume_s is None or self.terms.resume_s > 0

    @property
    def has_reader(self) -> bool:
        return self._num_readers > 0

    @property
    def has_ended(self) -> bool:
        return self.ended.done()

    @property
    def was_refused(self) -> bool:
        """Nothing was generated for it, and its readers are told why by an error."""
        return self._refusal is not None

    @property
    def num_events(self) -> int:
        return self._first + len(self._log)

    def start(self) -> None:
        self._pumping = asyncio.create_task(self._pump(), name=f"call {self.call_id}")
        self._pumping.add_done_callback(lambda _: self._fail(self._cancellation()))  # before it could begin

    async def batches(self, after: int = -1) -> AsyncGenerator[Batch[E], None]:
        """The events behind the one with this number, to the terminal one; read it under `aclosing`.

        The first batch comes when the engine has taken the request; if it refuses, that is raised instead.
        Batches that would follow each other too fast for the gateway are one.
        """
        position = after + 1
        if not self._first <= position <= self.num_events:
            raise CallNotKeptError(
                f"the events of {self.call_id} behind number {after} cannot be read: it has "
                f"{self.num_events}, and those before number {self._first} are not kept"
            )
        loop = asyncio.get_running_loop()
        if self._num_readers and not self.is_kept:
            raise CallNotKeptError(
                f"the events of {self.call_id} go to another reader and are not kept; ask for a call that "
                f"can be resumed"
            )
        self._arrive()
        try:
            while True:
                if position == self.num_events:
                    if self._refusal is not None:
                        raise self._refusal
                    if self.has_ended:
                        return
                    self._news.clear()
                    await self._news.wait()
                    continue
                batch = Batch(position, tuple(self._log[position - self._first :]))
                position = self.num_events
                self._forget_read(position)
                next_at = loop.time() + self._pace_s()
                yield batch
                if not self.has_ended and (early_s := next_at - loop.time()) > 0:
                    await asyncio.sleep(early_s)
        finally:
            self._leave()

    def cancel(self, why: ExpertMeshError | None = None) -> None:
        """It ends with this error; nothing happens to one that has ended."""
        if self.has_ended or self._pumping is None:
            return
        self._why_cancelled = why or RequestCancelledError(f"{self.call_id} was cancelled")
        self._pumping.cancel()

    def give_up(self) -> None:
        """It was cancelled, and its source does not end: its readers are told its end all the same."""
        self._fail(self._cancellation())
        if self._pumping is not None:
            self._pumping.cancel()

    async def _pump(self) -> None:
        try:
            async with aclosing(self._source) as events:
                async for event in events:
                    self._take(event)
        except ExpertMeshError as error:
            self._fail(error)
        except asyncio.CancelledError:
            self._fail(self._cancellation())
        except Exception:
            logger.exception("the call %s broke", self.call_id)
            self._fail(InternalError(f"{self.call_id} broke inside the gateway; its log says how"))
        else:
            assert self.has_ended, "a link that ends has said its terminal event"

    def _take(self, event: Event) -> None:
        self._meter.note(event)
        self._log += self._translate(event)
        if isinstance(event, RequestEnded):
            self._end(event)
        elif len(self._log) > self.terms.max_held:
            raise self._too_many()
        self._news.set()

    def _too_many(self) -> ExpertMeshError:
        if self.is_kept:
            return CapacityError(
                f"{self.call_id} has {len(self._log)} events, and of a call that can be read again at most "
                f"{self.terms.max_held} are kept; ask for fewer tokens, or one that is not kept"
            )
        return SlowReaderError(
            f"{len(self._log)} events of {self.call_id} wait to be read, and at most {self.terms.max_held} "
            f"may; read faster, or ask for a call that can be resumed"
        )

    def _fail(self, error: ExpertMeshError) -> None:
        """The engine did not end it, so this does."""
        if self.has_ended:
            return
        ended = RequestEnded(self.call_id, self._meter.usage(), error)
        if self.num_events:
            self._log.append(ended)
        else:
            self._refusal = error
        self._end(ended)

    def _cancellation(self) -> ExpertMeshError:
        return self._why_cancelled or RequestCancelledError(f"{self.call_id}: the gateway stops")

    def _end(self, ended: RequestEnded) -> None:
        self.ended.set_result(ended)
        self._on_end()
        self._news.set()

    def _arrive(self) -> None:
        self._num_readers += 1
        if self._abandonment is not None:
            self._abandonment.cancel()
            self._abandonment = None

    def _leave(self) -> None:
        self._num_readers -= 1
        if self._num_readers or self.has_ended:
            return
        if self.terms.resume_s is None:
            return
        if self.is_kept:
            loop = asyncio.get_running_loop()
            self._abandonment = loop.call_later(self.terms.resume_s, self._abandon)
        else:
            self._abandon()

    def _abandon(self) -> None:
        if not self._num_readers:
            self.cancel(RequestCancelledError(f"{self.call_id} was cancelled: nobody reads it any more"))

    def _forget_read(self, position: int) -> None:
        if not self.is_kept:
            del self._log[: position - self._first]
            self._first = position
