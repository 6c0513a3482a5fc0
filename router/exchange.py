"""The all-to-all of one attention worker: sends a layer's work out, and does not rest until all is back.

A frame that a worker loses, refuses or keeps too long goes to a replica; where there is none, the step waits
until the placement changes or the worker comes back. Experts are never skipped. Not here: rows
(`router.remote_experts` packs and sums them), streams (`router.lane`). Called by the thread that computes;
`update` and `close` by any.
"""

import queue
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import count

from protos.errors import ExpertsUnreachableError, FrameError, WorkerMismatchError
from router.channel import TlsFiles
from router.dispatch_frames import Refusal, RefusalReason, Reply
from router.dispatch_plan import Integers, Share, cut, plan_dispatch, share_out
from router.errand import Errand, Finished, Parcel
from router.exchange_statistics import ExchangeStatistics
from router.frame import FrameKind, decode
from router.hedging import HedgeClock, HedgeSettings
from router.lane import FrameArrived, LaneLost
from router.peers import PeerEvent, Peers, TopologyChanged
from router.topology import Topology

_MOST_ATTEMPTS = 16
_MOVED = (RefusalReason.STALE_EPOCH, RefusalReason.NOT_HERE)
_DAMAGED = (RefusalReason.CHECKSUM, RefusalReason.TRUNCATED)


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """How long to wait for what, and how much goes into a frame."""

    frame_deadline_s: float = 30.0  # then a worker that is there, and does not answer, counts as lost
    recovery_s: float = 300.0  # without any progress, then the step fails
    max_frame_bytes: int = 64 << 20
    hedge: HedgeSettings | None = field(default_factory=HedgeSettings)


@dataclass(frozen=True, slots=True)
class Carrier:
    """What the exchange need not understand of a dispatch."""

    pack: Callable[[Share, int, int], bytes]  # a share, its number and its epoch -> a frame
    check: Callable[[Share, Reply], None]  # raises FrameError where the rows are not as announced
    compute_here: Callable[[Share], Reply]  # for the share of this process
    most_assignments: int  # of one frame


class Exchange:
    """One for each thread that computes. Between two runs nothing is under way."""

    def __init__(
        self,
        settings: ExchangeSettings,
        *,
        model: str,
        arithmetic: str | None = None,
        local: str | None = None,
        tls: TlsFiles | None = None,
    ) -> None:
        self.peers = Peers(
            model=model,
            arithmetic=arithmetic,
            max_frame_bytes=settings.max_frame_bytes,
            local=local,
            tls=tls,
        )
        self.statistics = ExchangeStatistics()
        self._settings = settings
        self._local = local
        self._hedges = HedgeClock(settings.hedge)
        self._numbers = count(1)
        self._under_way: dict[int, Parcel] = {}
        self._here: list[Errand] = []
        self._stranded: list[Errand] = []
        self._last_progress = 0.0
        self._is_running = False

    @property
    def epoch_in_use(self) -> int:
        """No frame is on its way, or will be sent, that was planned by an older placement."""
        return self.peers.epoch if self._is_running else self.peers.newest_epoch

    def update(self, topology: Topology) -> None:
        self.peers.update(topology)

    def close(self) -> None:
        self.peers.close()

    def run(self, layer: int, expert_ids: Integers, carrier: Carrier) -> list[Finished]:
        """expert_ids: [tokens, top_k] -> every (token, slot) place in one of these."""
        began = self._last_progress = time.monotonic()
        self._is_running = True
        job = _Job(layer, expert_ids.shape[1], carrier)
        try:
            self._take_what_came()
            hosts = self.peers.table.hosts_for(layer, expert_ids.ravel())
            errands = self._send_shares(job, plan_dispatch(expert_ids, hosts))
            while not all(errand.is_done for errand in errands):
                self._go_on(job)
        finally:
            self._is_running = False
            self._under_way.clear()
            self._here.clear()
            self._stranded.clear()
        self.statistics.num_dispatches += 1
        self.statistics.longest_wait_s = max(self.statistics.longest_wait_s, time.monotonic() - began)
        return [finished for errand in errands for finished in errand.finished()]

    def _take_what_came(self) -> None:
        """What lanes said since the last run; answers are to nothing that is still wanted."""
        while True:
            try:
                event = self.peers.inbox.get_nowait()
            except queue.Empty:
                return
            if isinstance(event, FrameArrived):
                self.statistics.num_duplicates += 1
            else:
                self.peers.take(event)

    def _send_shares(self, job: "_Job", shares: Iterable[Share]) -> list[Errand]:
        errands = [
            Errand(part) for share in shares for part in cut(share, job.carrier.most_assignments, job.top_k)
        ]
        for errand in errands:
            self._send(job, errand)
        return errands

    def _send(self, job: "_Job", errand: Errand) -> None:
        """To the worker that its share names, which may be this one, or nobody."""
        table = self.peers.table
        if errand.share.worker == table.nobody:
            self._stranded.append(errand)
            return
        worker = table.placement.workers[errand.share.worker]
        if worker == self._local:
            self._here.append(errand)
            return
        errand.num_attempts += 1
        if errand.num_attempts > _MOST_ATTEMPTS:
            raise ExpertsUnreachableError(
                f"layer {job.layer}: a frame was sent {_MOST_ATTEMPTS} times, and no worker could serve it"
            )
        lane = self.peers.lane_of(worker)
        number = next(self._numbers)
        frame = job.carrier.pack(errand.share, number, self.peers.epoch)
        now = time.monotonic()
        delay = self._hedges.delay(errand.share.num_assignments)
        self._under_way[number] = Parcel(
            errand,
            worker,
            self.peers.epoch,
            sent_at=now,
            hedge_at=None if delay is None else now + delay,
            deadline_at=now + self._settings.frame_deadline_s,
        )
        self.statistics.num_frames += 1
        self.statistics.bytes_sent += len(frame)
        if lane is not None:  # one that went this instant will say so
            lane.send(frame)

    def _go_on(self, job: "_Job") -> None:
        """Compute what is to be done here, else wait for what happens next."""
        if self._here:
            errand = self._here.pop()
            if not errand.is_done:
                errand.reply = job.carrier.compute_here(errand.share)
            return
        try:
            self._take(job, self.peers.inbox.get(timeout=self._patience()))
        except queue.Empty:
            self._look_at_the_clock(job)

    def _patience(self) -> float:
        """Seconds until the clock may ask for something."""
        moments = [parcel.next_look_at for parcel in self._under_way.values()]
        moments.append(self._last_progress + self._settings.recovery_s)
        return max(0.0, min(moments) - time.monotonic())

    def _take(self, job: "_Job", event: PeerEvent) -> None:
        if isinstance(event, FrameArrived):
            self._take_frame(job, event)
            return
        self.peers.take(event)
        if isinstance(event, LaneLost):
            self.statistics.num_lanes_lost += 1
            self._send_all_again(job, event.lane.worker)
        stranded, self._stranded = self._stranded, []
        for errand in stranded:
            if isinstance(event, TopologyChanged):
                errand.avoid.clear()
            self._plan_again(job, errand)

    def _take_frame(self, job: "_Job", event: FrameArrived) -> None:
        self.statistics.bytes_received += len(event.data)
        try:
            frame = decode(event.data, self._settings.max_frame_bytes)
            if frame.kind is FrameKind.REFUSAL:
                self._take_refusal(job, Refusal.of(frame), event.lane.worker)
            else:
                self._take_reply(job, Reply.of(frame))
        except FrameError:  # it does not say reliably which of them it answers
            self._send_all_again(job, event.lane.worker)

    def _take_reply(self, job: "_Job", reply: Reply) -> None:
        parcel = self._under_way.get(reply.number)
        if parcel is None or parcel.errand.is_done:
            self.statistics.num_duplicates += 1
            return
        job.carrier.check(parcel.errand.share, reply)
        del self._under_way[reply.number]
        self._last_progress = time.monotonic()
        self._hedges.record(parcel.errand.share.num_assignments, self._last_progress - parcel.sent_at)
        parcel.errand.reply = reply

    def _take_refusal(self, job: "_Job", refusal: Refusal, worker: str) -> None:
        if refusal.reason in _DAMAGED:  # it may not have been read as far as its number
            self._send_all_again(job, worker)
            return
        if refusal.reason not in (*_MOVED, RefusalReason.FAILED):  # nobody would take it
            raise WorkerMismatchError(f"worker {worker} refuses a frame: {refusal.message}")
        parcel = None if refusal.number is None else self._under_way.pop(refusal.number, None)
        if parcel is None:
            return
        if refusal.reason in _MOVED:
            self.statistics.num_stale += 1
        if refusal.reason is RefusalReason.FAILED or parcel.epoch == self.peers.epoch:
            parcel.errand.avoid.add(worker)
        self._send_again(job, parcel.errand)

    def _look_at_the_clock(self, job: "_Job") -> None:
        now = time.monotonic()
        if now - self._last_progress >= self._settings.recovery_s:
            raise self._unreachable(job)
        for number, parcel in list(self._under_way.items()):
            if now >= parcel.deadline_at:
                del self._under_way[number]
                parcel.errand.avoid.add(parcel.worker)
                self._send_again(job, parcel.errand)
            elif parcel.hedge_at is not None and now >= parcel.hedge_at:
                self._under_way[number] = parcel._replace(hedge_at=None)
                self._hedge(job, parcel)

    def _hedge(self, job: "_Job", parcel: Parcel) -> None:
        errand = parcel.errand
        if errand.parts or errand.is_done:
            return
        shares = self._planned(job, errand, {*errand.avoid, parcel.worker})
        if any(share.worker == self.peers.table.nobody for share in shares):
            return
        self.statistics.num_hedged += 1
        errand.parts = self._send_shares(job, shares)

    def _send_all_again(self, job: "_Job", worker: str) -> None:
        lost = [number for number, parcel in self._under_way.items() if parcel.worker == worker]
        for number in lost:
            self._send_again(job, self._under_way.pop(number).errand)

    def _send_again(self, job: "_Job", errand: Errand) -> None:
        self.statistics.num_resent += 1
        self._plan_again(job, errand)

    def _plan_again(self, job: "_Job", errand: Errand) -> None:
        """Nobody does this errand now, unless a hedge does: give it to whoever can."""
        if errand.is_done or errand.parts:
            return
        shares = self._planned(job, errand, errand.avoid)
        nobody = self.peers.table.nobody
        if len(shares) == 1 and shares[0].worker != nobody:
            errand.share = shares[0]
            self._send(job, errand)
        elif all(share.worker == nobody for share in shares):
            self._stranded.append(errand)
        else:
            errand.parts = self._send_shares(job, shares)

    def _planned(self, job: "_Job", errand: Errand, avoid: Collection[str]) -> list[Share]:
        share = errand.share
        hosts = self.peers.table.without(avoid).hosts_for(job.layer, share.experts)
        return share_out(share.slots, share.experts, hosts, job.top_k)

    def _unreachable(self, job: "_Job") -> ExpertsUnreachableError:
        troubles = "; ".join(f"{worker}: {why}" for worker, why in self.peers.troubles.items())
        waiting = {parcel.worker for parcel in self._under_way.values()}
        return ExpertsUnreachableError(
            f"layer {job.layer} of a step had no progress for {self._settings.recovery_s:g} s (recovery_s); "
            f"waited for: {', '.join(sorted(waiting)) or 'experts that no worker hosts'}. {troubles}"
        )


@dataclass(frozen=True, slots=True)
class _Job:
    """What a run is about."""

    layer: int
    top_k: int
    carrier: Carrier
