"""The controller's loop: hears who is there, and does what brings the mesh closer to what is wanted.

It keeps nothing that it could not ask for: what workers hold they tell, what operators wished the fleet
remembers. So a controller that begins in the middle of everything goes on where another one ended. Not here:
experts (`expert_care`), processes (`Fleet`), the network (`cluster_service`).
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from cluster.controller.board import Board
from cluster.controller.drains import AttentionDrains
from cluster.controller.expert_care import CareTiming, ExpertCare, MeshShape
from cluster.controller.expert_watch import ExpertWatch
from cluster.controller.fleet import Fleet, WorkerSpec
from cluster.controller.rebalancing import LayoutSearch
from cluster.controller.reconcile import EpochsInUse
from cluster.controller.status import Known, statuses
from cluster.controller.wishes import Wishes
from protos.errors import InvalidRequestError
from router.balance import Balance
from router.channel import TlsFiles
from router.replication import ReplicaRule, ReplicatedPart, Replication
from workers.membership.members import Announcement, MeshTopology, WorkerKind

logger = logging.getLogger(__name__)

_MOST_LOADS_OF_ITSELF = 64
"""Experts that are moved at once when nobody asked for it."""

_MOST_SEARCHES = 3
"""For a better layout, if the mesh has become another one meanwhile."""


@dataclass(frozen=True, slots=True)
class ControllerTiming:
    """How patient it is."""

    tick_s: float = 0.2
    silent_s: float = 3.0  # an attention worker that has not announced itself for so long is lost
    care: CareTiming = field(default_factory=CareTiming)


class Controller:
    """`start`, then everything else from any thread, then `stop`."""

    def __init__(
        self,
        fleet: Fleet,
        shape: MeshShape,
        wishes: Wishes,
        *,
        timing: ControllerTiming = ControllerTiming(),
        tls: TlsFiles | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.board = Board()
        self._fleet = fleet
        remembered = fleet.recall()
        self._wishes = wishes if remembered is None else Wishes.from_text(remembered)
        self._timing = timing
        self._clock = clock
        self._lock = threading.RLock()
        self._stirred = threading.Event()
        self._is_stopped = False
        self._announced: dict[str, tuple[Announcement, float]] = {}
        self._name_to_node: dict[str, str] = {}  # where each was heard of last, if it has left too
        self._drains = AttentionDrains(tls, self._stirred.set)
        self._began_at = clock()
        self._care = ExpertCare(
            shape,
            self._wishes.replication,
            timing.care,
            lambda name, address: ExpertWatch(name, address, tls, self._stirred.set),
            now=self._began_at,
        )
        self._thread = threading.Thread(target=self._run, name="expertmesh-controller", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """The workers go on by the last placement."""
        self._is_stopped = True
        self._stirred.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._care.close()
        self.board.close()

    def announce(self, said: Announcement) -> None:
        """A worker is there. Two of one name: the one that began later is meant."""
        with self._lock:
            now, before = self._clock(), self._announced.get(said.name)
            if before is not None and said.incarnation < before[0].incarnation:
                if now - before[1] < self._timing.silent_s:
                    return
                logger.warning("%s is heard of from before its restart, and not from after", said.name)
            self._announced[said.name] = (said, now)
            self._name_to_node[said.name] = said.node
        if before is None or before[0] != said:
            self._stirred.set()

    def drain(self, names: Collection[str]) -> None:
        """They finish what they do, and go. Raises InvalidRequestError where none of a kind would be left."""
        self._wish(lambda wishes: wishes.without(self._known(names)))

    def undrain(self, names: Collection[str]) -> None:
        self._wish(lambda wishes: wishes.with_again(self._known(names)))

    def workers_of(self, node: str) -> list[str]:
        """Also those that have left it. Raises InvalidRequestError for a node without any."""
        with self._lock:
            names = [name for name, its_node in self._name_to_node.items() if its_node == node]
            nodes = ", ".join(sorted(set(self._name_to_node.values())))
        if not names:
            raise InvalidRequestError(f"there are no workers on the node {node!r}; there are some on {nodes}")
        return sorted(names)

    def scale(self, num_attention: int | None, num_experts: int | None) -> Wishes:
        def changed(wishes: Wishes) -> Wishes:
            attention = wishes.num_attention if num_attention is None else num_attention
            experts = wishes.num_experts if num_experts is None else num_experts
            return replace(wishes, num_attention=attention, num_experts=experts)

        return self._wish(changed)

    def set_replication(self, replicas: int, part: ReplicatedPart | None = None) -> None:
        """Of some experts, or of all. Raises InvalidRequestError or DoesNotFitError, in words."""

        def changed(asked: Replication) -> Replication:
            return (
                replace(asked, every=replicas)
                if part is None
                else asked.with_rule(ReplicaRule(part, replicas))
            )

        self._replicate(changed)

    def take_back_replication(self, part: ReplicatedPart) -> None:
        """Raises InvalidRequestError where there is no such rule."""
        self._replicate(lambda asked: asked.without(part))

    def rebalance(self, max_loads: int) -> Balance:
        """Raises InvalidRequestError where there is nothing to move, or never rest enough to look at it."""
        for _ in range(_MOST_SEARCHES):
            with self._lock:
                search = self._care.search()
            found = search.found(max_loads)  # for as long as a second, in which others are heard and told
            with self._lock:
                is_taken_up = self._care.take_up(found)
            if is_taken_up:
                self._stirred.set()
                return found.balance
        raise InvalidRequestError(
            "workers or wishes changed again and again meanwhile; ask anew when they rest"
        )

    def tick(self) -> None:
        """Look at everything once, and do what follows."""
        search = self._look()
        if search is not None:
            self._rebalance_if_worth_it(search)

    def _look(self) -> LayoutSearch | None:
        with self._lock:
            now, specs = self._clock(), self._wishes.specs()
            self._spawn_and_stop()
            self._care.look(
                [name for name, spec in specs.items() if spec.kind is WorkerKind.EXPERT],
                {name: said for name, (said, _) in self._announced.items()},
                self._epochs_in_use(specs.values()),
                now,
            )
            self._publish()
            return self._care.due_search(now)

    def _rebalance_if_worth_it(self, search: LayoutSearch) -> None:
        found = search.found(_MOST_LOADS_OF_ITSELF)
        after, before = found.balance.imbalance, found.balance.imbalance_before
        if found.balance.is_changed and before - after >= self._timing.care.least_gain:
            with self._lock:
                if self._care.take_up(found):
                    logger.info("load was uneven by %.2f and will be by %.2f", before, after)

    def _replicate(self, change: Callable[[Replication], Replication]) -> None:
        with self._lock:
            asked = change(self._wishes.replication)
            wishes = replace(self._wishes, replicas=asked.every, rules=asked.rules)
            self._care.replicate(asked)
            self._wish(lambda _: wishes)

    def _run(self) -> None:
        while not self._is_stopped:
            try:
                self.tick()
            except Exception:
                logger.exception("the controller stumbled, and tries again")
            self._stirred.wait(self._timing.tick_s)
            self._stirred.clear()

    def _wish(self, change: Callable[[Wishes], Wishes]) -> Wishes:
        with self._lock:
            self._wishes = change(self._wishes)
            self._fleet.remember(self._wishes.to_text())
            self._stirred.set()
            return self._wishes

    def _known(self, names: Collection[str]) -> Collection[str]:
        specs = self._wishes.with_again(self._wishes.drained).specs()
        unknown = [name for name in names if name not in specs]
        if unknown:
            raise InvalidRequestError(f"there is no worker {unknown[0]!r}; there are {', '.join(specs)}")
        return names

    def _spawn_and_stop(self) -> None:
        specs, there = self._wishes.specs(), set(self._fleet.names())
        missing = [spec for name, spec in specs.items() if name not in there]
        if missing:
            self._fleet.spawn(missing)
        for name in sorted(there):
            is_leaving = name not in specs or self._is_draining(name)
            if is_leaving and self._may_go(name, there):
                logger.info("%s goes", name)
                self._fleet.stop(name)
                self._forget(name)
        for name in [name for name in self._announced if name not in there and name not in specs]:
            self._forget(name)  # its last words came when it had gone

    def _forget(self, name: str) -> None:
        self._announced.pop(name, None)
        self._drains.forget(name)
        self._care.forget(name)

    def _is_draining(self, name: str) -> bool:
        """Whether it was told to take nothing new. If it is wanted again by now, it must begin anew."""
        announced = self._announced.get(name)
        return announced is not None and self._drains.has_begun(name, announced[0].address)

    def _may_go(self, name: str, there: Collection[str]) -> bool:
        """Whether a worker that shall leave has done so as far as anybody needs it."""
        announced = self._announced.get(name)
        if announced is None:  # dead, or this controller has only just begun to listen
            return self._clock() - self._began_at >= self._timing.silent_s
        said, _ = announced
        match said.kind:
            case WorkerKind.EXPERT:
                return self._care.may_go(name)
            case WorkerKind.STAGE:  # it goes after the attention worker before it
                return name.partition("-stage-")[0] not in there
            case WorkerKind.ATTENTION:
                return self._drains.has_ended(name, said.address)

    def _epochs_in_use(self, specs: Collection[WorkerSpec]) -> EpochsInUse:
        """Those that shall be there have a while to say so before they are taken for lost."""
        now, silent_s = self._clock(), self._timing.silent_s
        told = [
            said.epoch
            for said, at in self._announced.values()
            if said.kind is not WorkerKind.EXPERT and said.epoch is not None and now - at < silent_s
        ]
        routing = {spec.name for spec in specs if spec.kind is not WorkerKind.EXPERT}
        all_heard = routing <= self._announced.keys()
        return EpochsInUse(tuple(told), all_heard or now - self._began_at >= silent_s)

    def _hindrances(self, specs: Collection[str]) -> Mapping[str, str]:
        """Of those that shall be there and are not heard of."""
        since = self._clock() - self._timing.silent_s
        heard = {name for name, (_, at) in self._announced.items() if at >= since}
        missing = [name for name in specs if name not in heard]
        return self._fleet.hindrances(missing) if missing else {}

    def _publish(self) -> None:
        care, specs = self._care, self._wishes.specs()
        known = Known(specs, dict(self._announced), care.watches, care.published, self._hindrances(specs))
        models = {said.model for said, _ in self._announced.values()}
        self.board.publish(
            MeshTopology(
                model=min(models, default=""),
                workers=statuses(known, self._fleet.names(), self._clock() - self._timing.silent_s),
                placement=care.published,
                imbalance=care.imbalance,
                num_lost=care.num_lost,
                num_rebalances=care.num_rebalances,
                replicas=self._wishes.replicas,
                rules=self._wishes.rules,
                activities=known.activities(care.trouble, self._wishes.drained),
            )
        )
