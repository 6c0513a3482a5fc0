"""One expert worker under watch: asked again and again what it holds, told to load and to let go.

A thread asks, another one carries out one order at a time. Not here: what follows from the answers.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import grpc

from cluster.controller.held import Held
from router.channel import TlsFiles
from router.placement import LayerToExperts
from workers.experts.control import ExpertControl

logger = logging.getLogger(__name__)

ASK_EVERY_S, ANSWER_WITHIN_S, MOST_MISSES = 0.2, 2.0, 3
LOAD_WITHIN_S = 3600.0
_RETRY_AFTER_S = 2.0


class ExpertWatch:
    """`held` and `is_lost` are true as of the last question; `changed` is called when they become others."""

    def __init__(self, name: str, address: str, tls: TlsFiles | None, changed: Callable[[], None]) -> None:
        self.name = name
        self.address = address
        self.held: Held | None = None  # None before the first answer
        self.is_lost = False
        self.trouble: str | None = None
        self._changed = changed
        self._control = ExpertControl(address, tls)
        self._orders = ThreadPoolExecutor(1, thread_name_prefix=f"expertmesh-order-{name}")
        self._order: Future[None] | None = None
        self._not_before = 0.0
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._ask, name=f"expertmesh-watch-{name}", daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether it carries out an order, or shall not be given the next one yet."""
        return (self._order is not None and not self._order.done()) or time.monotonic() < self._not_before

    def load(self, layer_to_experts: LayerToExperts) -> None:
        self._give(lambda: self._control.load(layer_to_experts, LOAD_WITHIN_S))

    def retain(self, epoch: int, layer_to_experts: LayerToExperts) -> None:
        self._give(lambda: self._control.retain(epoch, layer_to_experts, LOAD_WITHIN_S))

    def close(self) -> None:
        self._is_closed.set()
        self._control.close()
        self._orders.shutdown(wait=False, cancel_futures=True)

    def _give(self, order: Callable[[], None]) -> None:
        assert not self.is_busy
        self._order = self._orders.submit(self._carry_out, order)

    def _carry_out(self, order: Callable[[], None]) -> None:
        try:
            order()
            self.trouble = None
            self._question()
        except (grpc.RpcError, ValueError) as error:  # ValueError: the channel was closed meanwhile
            if not self._is_closed.is_set():
                self.trouble = _reason(error)
                self._not_before = time.monotonic() + _RETRY_AFTER_S
                logger.warning("expert worker %s has not done what it was told: %s", self.name, self.trouble)
        self._changed()

    def _ask(self) -> None:
        num_missed = 0
        while not self._is_closed.is_set():
            try:
                self._question()
                num_missed = 0
            except grpc.RpcError:
                num_missed += 1
            except Exception:  # ValueError: the channel was closed; anything else must not blind the watch
                if self._is_closed.is_set():
                    return
                logger.exception("expert worker %s says what cannot be", self.name)
                num_missed += 1
            is_lost = num_missed >= MOST_MISSES
            if is_lost != self.is_lost:
                self.is_lost = is_lost
                self._changed()
            self._is_closed.wait(ASK_EVERY_S)

    def _question(self) -> None:
        said = self._control.describe(ANSWER_WITHIN_S)
        held = Held(
            said.layer_to_experts,
            said.hosted_bytes,
            said.capacity_bytes,
            said.epoch,
            said.layer_to_tokens,
            said.layer_to_visits,
        )
        is_news = self.held is None or self.held.layer_to_experts != held.layer_to_experts
        self.held = held
        if is_news:
            self._changed()


def _reason(error: Exception) -> str:
    details = getattr(error, "details", None)
    return str(details()) if details else repr(error)
