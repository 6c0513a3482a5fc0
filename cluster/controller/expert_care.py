"""The experts' side of the controller: watches their workers, has experts loaded, publishes who hosts them.

Not here: which workers there shall be (`controller`), the decisions themselves (`reconcile`, `layout`).
Called under the controller's lock.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from cluster.controller.held import Watched
from cluster.controller.layout import Layout
from cluster.controller.load_ledger import LoadLedger
from cluster.controller.rebalancing import FoundLayout, LayoutSearch
from cluster.controller.reconcile import EpochsInUse, HeldExperts, differs, loads_needed, retirable, servable
from protos.errors import DoesNotFitError, InvalidRequestError
from router.expert_host import ExpertHost
from router.expert_loads import imbalance
from router.placement import Placement
from router.replication import Replication
from workers.membership.members import Announcement, WorkerKind

logger = logging.getLogger(__name__)

Watch = Callable[[str, str], Watched]
"""Begins to watch the expert worker of this name, at this address."""


@dataclass(frozen=True, slots=True)
class MeshShape:
    """What the controller must know of the model, and of the workers that it will have."""

    num_layers: int
    num_experts: int
    slots_of_worker: int  # (layer, expert) pairs that an expert worker has room for, at most
    bytes_of_expert: int | None = None  # None: what workers say of their memory is not looked at

    def slots(self, capacity_bytes: int | None) -> int:
        """Of a worker with so much memory for experts."""
        if capacity_bytes is None or self.bytes_of_expert is None:
            return self.slots_of_worker
        return min(self.slots_of_worker, capacity_bytes // self.bytes_of_expert)


@dataclass(frozen=True, slots=True)
class CareTiming:
    """How patient it is with expert workers."""

    give_up_s: float = 120.0  # one that is lost for so long gives its experts to others for good
    adopt_s: float = 5.0  # of another controller's workers, those that have not come by then are lost
    rebalance_every_s: float = 60.0
    least_gain: float = 0.05  # of imbalance, else nothing is moved


class ExpertCare:
    """`look` once a tick, with all that is known of the workers."""

    def __init__(
        self,
        shape: MeshShape,
        replication: Replication,
        timing: CareTiming,
        watch: Watch,
        *,
        now: float,
    ) -> None:
        self.published: Placement | None = None
        self.trouble: str | None = None
        self.watches: dict[str, Watched] = {}
        self.num_lost = self.num_rebalances = 0
        self._shape = shape
        self._timing = timing
        self._begin_watch = watch
        self._lost_since: dict[str, float] = {}
        self._began_at = now
        self._last_epoch = 0  # that anybody has heard of
        self._layout = Layout(shape.num_layers, shape.num_experts, replication)
        self._ledger = LoadLedger(shape.num_layers, shape.num_experts)
        self._next_rebalance_at = now + timing.rebalance_every_s

    @property
    def imbalance(self) -> float | None:
        """Of the published placement under what was measured; None before anything was."""
        if self.published is None or not self._ledger.num_tokens:
            return None
        return imbalance(self.published, self._ledger.costs)

    @property
    def lost(self) -> Collection[str]:
        return self._lost_since.keys()

    def look(
        self,
        wanted: Collection[str],
        announced: Mapping[str, Announcement],
        in_use: EpochsInUse,
        now: float,
    ) -> None:
        """`wanted`: the expert workers that shall have experts."""
        self._watch(announced, now)
        self._last_epoch = max([self._last_epoch, *in_use.heard, *self._epochs_of_experts()])
        self._settle(wanted, announced, in_use, now)
        if self._layout.home is None:
            return
        goal, held = self._layout.goal(self._lost_since.keys()), self._held()
        if not goal.is_whole and self.trouble is None:
            self.trouble = "not all experts fit on the workers that are left; add a worker, or bring one back"
        self._load(goal, held)
        self._publish(servable(goal, held, self._last_epoch + 1))
        if self.published is not None:
            self._let_go(goal, self.published, held, in_use)

    def replicate(self, replication: Replication) -> None:
        """Raises InvalidRequestError or DoesNotFitError, in words."""
        self._layout = self._layout.replicated(replication, self._ledger.costs)

    def search(self) -> LayoutSearch:
        """For a layout with more even load; its end is `take_up`."""
        if self._layout.home is None:
            raise InvalidRequestError("the mesh has no placement yet, so there is nothing to move")
        return LayoutSearch(self._layout, self._ledger.costs)

    def due_search(self, now: float) -> LayoutSearch | None:
        """The one that nobody has asked for, now and then; None while it would lead to nothing."""
        if now < self._next_rebalance_at:
            return None
        self._next_rebalance_at = now + self._timing.rebalance_every_s
        if self._layout.home is None or self._lost_since or not self._ledger.num_tokens:
            return None
        return self.search()

    def take_up(self, found: FoundLayout) -> bool:
        """No: workers or wishes have become others since."""
        if self._layout is not found.before:
            return False
        self._layout = found.after
        self._ledger.begin_anew()
        self.num_rebalances += found.balance.is_changed
        return True

    def may_go(self, name: str) -> bool:
        """Whether nobody needs this worker any more."""
        watch = self.watches.get(name)
        if watch is None or watch.is_lost:
            return True
        named = self.published is not None and self.published.experts_of(name)
        holds = watch.held is not None and watch.held.num_experts
        return not (named or holds)

    def forget(self, name: str) -> None:
        """Its process has been stopped."""
        self._lost_since.pop(name, None)
        if name in self.watches:
            self.watches.pop(name).close()

    def close(self) -> None:
        for watch in self.watches.values():
            watch.close()

    def _watch(self, announced: Mapping[str, Announcement], now: float) -> None:
        for name, said in announced.items():
            watch = self.watches.get(name)
            if said.kind is WorkerKind.EXPERT and (watch is None or watch.address != said.address):
                if watch is not None:  # its process has begun anew, and holds nothing
                    watch.close()
                    self._lose(name, now)
                self.watches[name] = self._begin_watch(name, said.address)
        for name, watch in self.watches.items():
            if watch.held is not None:
                self._ledger.take(name, watch.held)
            if watch.is_lost:
                self._lose(name, now)
            elif watch.held is not None:
                self._lost_since.pop(name, None)

    def _lose(self, name: str, now: float) -> None:
        """Until it has answered again."""
        if name not in self._lost_since:
            self._lost_since[name] = now
            self.num_lost += 1
            logger.warning("expert worker %s is lost", name)

    def _settle(
        self,
        wanted: Collection[str],
        announced: Mapping[str, Announcement],
        in_use: EpochsInUse,
        now: float,
    ) -> None:
        """The homes of experts follow the workers that there are."""
        there = [
            self._host(name, announced[name].node)
            for name in sorted(self.watches)
            if name in wanted and now - self._lost_since.get(name, now) < self._timing.give_up_s
        ]
        hosts = [host for host in there if host is not None]
        if not hosts:
            return
        if self._layout.home is None:
            if not self._may_begin(len(hosts) == len(wanted), in_use, now):
                return
            self._adopt(hosts)
        try:
            self._layout = self._layout.fitted(hosts, self._ledger.costs)
            self.trouble = self._layout.shortage
        except DoesNotFitError as error:
            self.trouble = str(error)

    def _host(self, name: str, node: str) -> ExpertHost | None:
        """None for one that has never said how much it has room for."""
        held = self.watches[name].held
        if held is None:
            return next((host for host in self._layout.workers if host.name == name), None)
        return ExpertHost(name, node, self._shape.slots(held.capacity_bytes))

    def _may_begin(self, all_are_there: bool, in_use: EpochsInUse, now: float) -> bool:
        """A new mesh waits for all its workers. One that is adopted must not: some may never come again."""
        if not in_use.is_complete:
            return False
        is_adopted = any(self._held().values())
        return all_are_there or (is_adopted and now - self._began_at >= self._timing.adopt_s)

    def _adopt(self, hosts: Sequence[ExpertHost]) -> None:
        """What another controller has left: its workers hold experts already."""
        held = self._held()
        if not any(held.values()):
            return
        shape = self._shape
        found = Placement.of(
            self._last_epoch + 1, held, num_layers=shape.num_layers, num_experts=shape.num_experts
        )
        self._layout = self._layout.adopted(found, hosts, self._ledger.costs)
        logger.info("adopted %d expert workers", len(hosts))
        self._publish(found)

    def _held(self) -> HeldExperts:
        """What workers that answer hold."""
        return {
            name: watch.held.layer_to_experts
            for name, watch in sorted(self.watches.items())
            if watch.held is not None and not watch.is_lost
        }

    def _load(self, goal: Placement, held: HeldExperts) -> None:
        for name, missing in loads_needed(goal, held).items():
            if not self.watches[name].is_busy:
                logger.info("%s loads %d experts", name, sum(map(len, missing.values())))
                self.watches[name].load(missing)

    def _epochs_of_experts(self) -> list[int]:
        return [watch.held.epoch for watch in self.watches.values() if watch.held is not None]

    def _publish(self, placement: Placement) -> None:
        if placement.is_whole and differs(self.published, placement):
            self.published = placement
            self._last_epoch = placement.epoch
            logger.info("epoch %d: %d expert workers", placement.epoch, placement.num_workers)

    def _let_go(
        self,
        goal: Placement,
        published: Placement,
        held: HeldExperts,
        in_use: EpochsInUse,
    ) -> None:
        for name, kept in retirable(goal, published, held, in_use).items():
            if not self.watches[name].is_busy:
                logger.info("%s lets experts go", name)
                self.watches[name].retain(published.epoch, kept)
