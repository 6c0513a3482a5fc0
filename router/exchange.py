"""The all-to-all of one attention worker: dispatch after dispatch goes to the expert workers and comes back.

It holds what outlasts a dispatch: the lanes, how long frames took, who owes an answer. Not here: what happens
in one (`router.delivery`), rows (`router.remote_experts` packs and sums them), streams (`router.lane`).
`run` is called by the thread that computes; `update` and `close` by any.
"""

import time
from dataclasses import dataclass, field
from itertools import count

from router.carrier import Carrier
from router.channel import TlsFiles
from router.delivery import Delivery, Standing
from router.dispatch_plan import Integers
from router.errand import Finished
from router.exchange_statistics import ExchangeStatistics
from router.hedging import HedgeClock, HedgeSettings
from router.lane import FrameArrived, LaneLost
from router.peers import Peers
from router.silence import SilenceWatch
from router.topology import Topology


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """How long to wait for what, and how much goes into a frame."""

    frame_deadline_s: float = 30.0  # then a worker that is there, and does not answer, is asked no more
    recovery_s: float = 300.0  # without any progress, then the step fails
    max_frame_bytes: int = 64 << 20
    hedge: HedgeSettings | None = field(default_factory=HedgeSettings)


class Exchange:
    """One for each thread that computes. Between two runs nothing is waited for."""

    def __init__(
        self,
        settings: ExchangeSettings,
        *,
        model: str,
        arithmetic: str | None = None,
        local: str | None = None,
        tls: TlsFiles | None = None,
    ) -> None:
        self.settings = settings
        self.peers = Peers(
            model=model,
            arithmetic=arithmetic,
            max_frame_bytes=settings.max_frame_bytes,
            local=local,
            tls=tls,
        )
        self.statistics = ExchangeStatistics()
        self._is_running = False
        self._silence = SilenceWatch()
        self._standing = Standing(
            self.peers,
            self.statistics,
            HedgeClock(settings.hedge),
            self._silence,
            count(1),
            local,
            settings.frame_deadline_s,
            settings.recovery_s,
            settings.max_frame_bytes,
        )

    @property
    def epoch_in_use(self) -> int:
        """No frame that is still wanted, or will be sent, was planned by an older placement."""
        return self.peers.epoch if self._is_running else self.peers.newest_epoch

    def update(self, topology: Topology) -> None:
        self.peers.update(topology)

    def close(self) -> None:
        self.peers.close()

    def run(self, layer: int, expert_ids: Integers, carrier: Carrier) -> list[Finished]:
        """expert_ids: [tokens, top_k] -> every (token, slot) place in one of these."""
        began = time.monotonic()
        self._is_running = True  # and only then the newest placement is looked up
        self.listen()
        delivery = Delivery(self._standing, layer, expert_ids.shape[1], carrier)
        try:
            return delivery.run(expert_ids)
        finally:
            self._is_running = False
            if delivery.unanswered:
                self._let_go(delivery)
            self.statistics.num_dispatches += 1
            waited_s = time.monotonic() - began
            self.statistics.longest_wait_s = max(self.statistics.longest_wait_s, waited_s)

    def listen(self) -> None:
        """Take up what lanes said since the last run, as `run` does; answers are to nothing still wanted."""
        inbox = self.peers.inbox
        while not inbox.empty():
            event = inbox.get_nowait()
            if isinstance(event, FrameArrived):
                self.statistics.num_duplicates += 1
                self.statistics.bytes_received += len(event.data)
                self._silence.heard(event.lane.worker)
                self.peers.trust(event.lane)
                continue
            if isinstance(event, LaneLost):
                self.statistics.num_lanes_lost += event.was_open
                self._silence.heard(event.lane.worker)
            self.peers.take(event)
        for worker in self._silence.take_silent(time.monotonic()):
            self.peers.suspect(worker, self.settings.frame_deadline_s)

    def _let_go(self, delivery: Delivery) -> None:
        """Frames whose rows came from elsewhere, or are not wanted any more."""
        self._silence.owes(delivery.unanswered)
        for worker in {parcel.worker for parcel in delivery.unanswered}:
            lane = self.peers.lane_of(worker)
            if lane is not None:
                lane.drop_waiting()
