"""One dispatch on its way: sends its shares out, and does not rest until every row is back.

A frame that a worker loses, refuses or keeps too long goes to a replica; where there is none, it is tried
again until the placement changes, the worker comes back, or patience ends. Experts are never skipped. Not
here: what outlasts a dispatch (`router.exchange`), rows (`router.remote_experts`), streams (`router.lane`).
"""

import queue
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import count
from math import inf

from protos.errors import ExpertsUnreachableError, FrameError, WorkerMismatchError
from router.carrier import Carrier
from router.dispatch_frames import Refusal, RefusalReason, Reply
from router.dispatch_plan import Integers, Share, cut, everything_to, plan_dispatch, share_out
from router.errand import Errand, Finished
from router.exchange_statistics import ExchangeStatistics
from router.frame import FrameKind, decode
from router.hedging import HedgeClock
from router.lane import FrameArrived, LaneLost
from router.parcels import Parcel, Parcels
from router.peers import PeerEvent, Peers
from router.silence import SilenceWatch

_MOST_LOST = 16
"""Streams that may break under one errand. It may be what breaks them; then it must not break all others."""

_TRY_AGAIN_S = 0.25
_MOVED = (RefusalReason.STALE_EPOCH, RefusalReason.NOT_HERE)
_DAMAGED = (RefusalReason.CHECKSUM, RefusalReason.TRUNCATED)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands from one dispatch to the next."""

    peers: Peers
    statistics: ExchangeStatistics
    hedges: HedgeClock
    silence: SilenceWatch
    numbers: "count[int]"
    local: str | None
    frame_deadline_s: float
    recovery_s: float
    max_frame_bytes: int


class Delivery:
    """`run` once."""

    def __init__(self, standing: Standing, layer: int, top_k: int, carrier: Carrier) -> None:
        self._standing = standing
        self._peers = standing.peers
        self._layer = layer
        self._top_k = top_k
        self._carrier = carrier
        self._parcels = Parcels()
        self._here: list[Errand] = []
        self._stranded: list[Errand] = []  # no worker that can be asked would do these
        self._try_again_at = inf
        self._last_progress = time.monotonic()

    @property
    def unanswered(self) -> Collection[Parcel]:
        return self._parcels.unanswered

    def run(self, expert_ids: Integers) -> list[Finished]:
        """expert_ids: [tokens, top_k]"""
        errands = self._send_shares(self._plan(expert_ids))
        self._carrier.prepare()
        for errand in errands:
            while not errand.is_done:
                self._go_on()
        return [finished for errand in errands for finished in errand.finished()]

    def _plan(self, expert_ids: Integers) -> list[Share]:
        table = self._peers.table
        worker = table.only_host(self._layer)
        if worker is not None:
            return everything_to(worker, expert_ids)
        return plan_dispatch(expert_ids, table.hosts_for(self._layer, expert_ids.ravel()))

    def _send_shares(self, shares: Iterable[Share], whole: Errand | None = None) -> list[Errand]:
        """-> an errand for each, and for each part of one that is too long for a frame"""
        most, top_k = self._carrier.most_assignments, self._top_k
        short = [part for share in shares for part in cut(share, most, top_k)]
        errands = [Errand(share) if whole is None else whole.part(share) for share in short]
        for errand in errands:
            self._send(errand)
        return errands

    def _send(self, errand: Errand) -> None:
        """To the worker that its share names, which may be this one, or nobody."""
        table = self._peers.table
        if errand.share.worker == table.nobody:
            self._strand(errand)
            return
        worker = table.placement.workers[errand.share.worker]
        if worker == self._standing.local:
            self._here.append(errand)
            return
        lane = self._peers.lane_of(worker)
        number, epoch = next(self._standing.numbers), self._peers.epoch
        frame = self._carrier.pack(errand.share, number, epoch)
        if lane is not None:  # one that went this instant will say so
            lane.send(frame)
        now = time.monotonic()
        hedge_at = now + self._standing.hedges.delay(errand.share.num_assignments)
        deadline_at = now + self._standing.frame_deadline_s
        self._parcels.add(number, Parcel(errand, worker, epoch, now, hedge_at, deadline_at))
        self._standing.statistics.num_frames += 1
        self._standing.statistics.bytes_sent += len(frame)

    def _strand(self, errand: Errand) -> None:
        self._stranded.append(errand)
        self._try_again_at = min(self._try_again_at, time.monotonic() + _TRY_AGAIN_S)

    def _go_on(self) -> None:
        """Compute what is to be done here, else wait for what happens next."""
        if self._here:
            errand = self._here.pop()
            if not errand.is_done:
                errand.reply = self._carrier.compute_here(errand.share)
            return
        try:
            event = self._peers.inbox.get(timeout=self._patience_s())
        except queue.Empty:
            self._look_at_the_clock()
        else:
            self._take(event)

    def _patience_s(self) -> float:
        """Until the clock may ask for something."""
        give_up_at = self._last_progress + self._standing.recovery_s
        return max(0.0, min(self._parcels.look_at, self._try_again_at, give_up_at) - time.monotonic())

    def _take(self, event: PeerEvent) -> None:
        if isinstance(event, FrameArrived):
            self._take_frame(event)
            return
        self._peers.take(event)
        if isinstance(event, LaneLost):
            self._take_loss(event)
        self._try_stranded()

    def _take_loss(self, event: LaneLost) -> None:
        worker = event.lane.worker
        self._standing.statistics.num_lanes_lost += event.was_open
        self._standing.silence.heard(worker)
        for errand in self._parcels.remove_those_of(worker):
            errand.num_lost += 1
            if errand.num_lost > _MOST_LOST:
                raise self._unreachable(f"{_MOST_LOST} streams broke under one of its frames")
            self._send_again(errand)

    def _take_frame(self, event: FrameArrived) -> None:
        worker = event.lane.worker
        self._standing.statistics.bytes_received += len(event.data)
        self._standing.silence.heard(worker)
        self._peers.trust(event.lane)
        try:
            frame = decode(event.data, self._standing.max_frame_bytes)
            if frame.kind is FrameKind.REFUSAL:
                self._take_refusal(Refusal.of(frame), event)
            else:
                self._take_reply(Reply.of(frame))
        except FrameError as error:  # it does not say reliably which of them it answers
            event.lane.restart(f"it sent a frame that cannot be: {error}")

    def _take_reply(self, reply: Reply) -> None:
        parcel = self._parcels.of_number(reply.number)
        if parcel is None or parcel.errand.is_done:
            self._standing.statistics.num_duplicates += 1
        else:
            self._carrier.check(parcel.errand.share, reply)
            self._last_progress = time.monotonic()
            num_assignments = parcel.errand.share.num_assignments
            self._standing.hedges.record(num_assignments, self._last_progress - parcel.sent_at)
            parcel.errand.reply = reply
        if parcel is not None:
            self._parcels.remove(reply.number)

    def _take_refusal(self, refusal: Refusal, event: FrameArrived) -> None:
        worker = event.lane.worker
        if refusal.reason in _DAMAGED:  # it may not have been read as far as its number
            event.lane.restart(f"a frame did not arrive whole: {refusal.message}")
            return
        parcel = None if refusal.number is None else self._parcels.of_number(refusal.number)
        if parcel is None and refusal.number is not None:
            self._standing.statistics.num_duplicates += 1
            return
        if parcel is None or refusal.reason not in (*_MOVED, RefusalReason.FAILED):  # nobody would take it
            raise WorkerMismatchError(f"worker {worker} refuses a frame: {refusal.message}")
        assert refusal.number is not None
        self._parcels.remove(refusal.number)
        if refusal.reason in _MOVED:
            self._standing.statistics.num_stale += 1
        if refusal.reason is RefusalReason.FAILED or parcel.epoch == self._peers.epoch:
            parcel.errand.avoid |= {worker}
        self._send_again(parcel.errand)

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        if now - self._last_progress >= self._standing.recovery_s:
            raise self._unreachable(f"it had no progress for {self._standing.recovery_s:g} s (recovery_s)")
        for parcel in self._parcels.take_overdue(now):
            self._peers.suspect(parcel.worker, self._standing.frame_deadline_s)
            self._send_again(parcel.errand)
        for parcel in self._parcels.take_slow(now):
            self._hedge(parcel)
        if self._try_again_at <= now:
            self._try_stranded()

    def _try_stranded(self) -> None:
        """From the beginning: what did not do before may do now."""
        stranded, self._stranded = self._stranded, []
        self._try_again_at = inf
        for errand in stranded:
            errand.avoid = frozenset()
            self._plan_again(errand)

    def _hedge(self, parcel: Parcel) -> None:
        errand = parcel.errand
        if errand.parts or errand.is_done:
            return
        shares = self._planned(errand, errand.avoid | {parcel.worker})
        if any(share.worker == self._peers.table.nobody for share in shares):
            return
        self._standing.statistics.num_hedged += 1
        errand.parts = self._send_shares(shares, errand)

    def _send_again(self, errand: Errand) -> None:
        self._standing.statistics.num_resent += 1
        self._plan_again(errand)

    def _plan_again(self, errand: Errand) -> None:
        """Nobody does this errand now, unless its parts do: give it to whoever can."""
        if errand.is_done or errand.parts:
            return
        shares = self._planned(errand, errand.avoid)
        if len(shares) == 1:
            errand.share = shares[0]
            self._send(errand)
        else:
            errand.parts = self._send_shares(shares, errand)

    def _planned(self, errand: Errand, avoid: Collection[str]) -> list[Share]:
        share = errand.share
        hosts = self._peers.table.without(avoid).hosts_for(self._layer, share.experts)
        return share_out(share.slots, share.experts, hosts, self._top_k)

    def _unreachable(self, what: str) -> ExpertsUnreachableError:
        troubles = "; ".join(f"{worker}: {why}" for worker, why in self._peers.troubles.items())
        waiting = {parcel.worker for parcel in self._parcels.unanswered}
        return ExpertsUnreachableError(
            f"layer {self._layer} of a step cannot be computed: {what}; waited for: "
            f"{', '.join(sorted(waiting)) or 'experts that no worker hosts'}. {troubles}"
        )
