"""A mesh on paper: expert workers that load slowly, die and come back empty; time is ticks.

What a process holds and what its controller knows of it are two things, as in life.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cluster.controller.expert_care import CareTiming, ExpertCare, MeshShape
from cluster.controller.held import Held
from cluster.controller.reconcile import EpochsInUse
from router.placement import LayerToExperts, Placement
from router.replication import Replication
from workers.membership.members import Announcement, WorkerKind

SHAPE = MeshShape(num_layers=2, num_experts=5, slots_of_worker=10, bytes_of_expert=100)
TIMING = CareTiming(give_up_s=6.0, rebalance_every_s=1e9)
TICKS_OF_ORDER = 2
MISSES = 2
TICKS_UNTIL_HEARD = 3
"""A new controller hears of experts before it hears of attention workers."""
NODES = "abc"

Pairs = frozenset[tuple[int, int]]


def pairs_of(layer_to_experts: LayerToExperts) -> Pairs:
    return frozenset((layer, expert) for layer, experts in layer_to_experts.items() for expert in experts)


@dataclass(slots=True)
class PaperProcess:
    """An expert worker's process. A new one has another address."""

    name: str
    node: str
    address: str
    holds: dict[int, tuple[int, ...]] = field(default_factory=dict)
    capacity_bytes: int | None = None
    epoch: int = 0
    layer_to_tokens: dict[int, tuple[int, ...]] = field(default_factory=dict)
    is_alive: bool = True


class PaperWatch:
    """A `Watched`. `hears_retain` is told what is let go before it is."""

    def __init__(self, process: PaperProcess, hears_retain: Callable[[str, Pairs], None]) -> None:
        self.address = process.address
        self.held: Held | None = None
        self.is_lost = False
        self.trouble: str | None = None
        self._process = process
        self._hears_retain = hears_retain
        self._order: Callable[[], None] | None = None
        self._ticks_left = self._num_missed = 0

    @property
    def is_busy(self) -> bool:
        return self._order is not None

    def load(self, layer_to_experts: LayerToExperts) -> None:
        holds = self._process.holds

        def load() -> None:
            for layer, experts in layer_to_experts.items():
                holds[layer] = tuple(sorted({*holds.get(layer, ()), *experts}))

        self._begin(load)

    def retain(self, epoch: int, layer_to_experts: LayerToExperts) -> None:
        process = self._process
        self._hears_retain(process.name, pairs_of(process.holds) - pairs_of(layer_to_experts))

        def retain() -> None:
            kept = pairs_of(process.holds) & pairs_of(layer_to_experts)
            process.holds.clear()
            for layer, expert in sorted(kept):
                process.holds[layer] = (*process.holds.get(layer, ()), expert)
            process.epoch = max(process.epoch, epoch)

        self._begin(retain)

    def close(self) -> None:
        self._order = None

    def tick(self) -> None:
        if not self._process.is_alive:
            self._order = None
            self._num_missed += 1
            self.is_lost = self._num_missed >= MISSES
            return
        self._num_missed, self.is_lost = 0, False
        self._ticks_left -= 1
        if self._order is not None and self._ticks_left <= 0:
            self._order()
            self._order = None
        self.held = Held(
            dict(self._process.holds),
            capacity_bytes=self._process.capacity_bytes,
            epoch=self._process.epoch,
            layer_to_tokens=self._process.layer_to_tokens,
            layer_to_visits=self._process.layer_to_tokens,
        )

    def finish(self) -> None:
        """The order does not end with the controller that gave it."""
        if self._order is not None and self._process.is_alive:
            self._order()

    def _begin(self, order: Callable[[], None]) -> None:
        assert self._order is None, "one order at a time"
        self._order, self._ticks_left = order, TICKS_OF_ORDER


class PaperMesh:
    """Expert workers, attention workers as the placements that they use, and one controller after another."""

    def __init__(self, num_experts: int, replication: Replication, num_attention: int) -> None:
        self.now = 0.0
        self.replication = replication
        self.wanted: set[str] = set()
        self.processes: dict[str, PaperProcess] = {}
        self.in_use: list[Placement | None] = [None] * num_attention
        self._told: Placement | None = None
        self._watches: list[PaperWatch] = []
        self._num_begun = 0
        self._controller_began_at = 0.0
        for _ in range(num_experts):
            self.add()
        self.care = self._new_care()

    def add(self) -> None:
        name = f"expert-{len(self.processes)}"
        self.wanted.add(name)
        self.processes[name] = self._new_process(name)

    def revive(self, name: str) -> None:
        self.processes[name] = self._new_process(name)

    def replace_controller(self) -> None:
        """Nothing is left of the old one but what workers hold and use."""
        for watch in self._watches:
            watch.finish()
        self.care.close()
        self._watches.clear()
        self.care = self._new_care()

    def follow(self, number: int) -> None:
        """An attention worker hears of the newest placement; one epoch never means two placements."""
        before, published = self.in_use[number], self.care.published
        if published is None:
            return
        assert before is None or published.epoch > before.epoch or published == before
        self.in_use[number] = published

    def tick(self) -> None:
        self.now += 1.0
        for watch in self._watches:
            watch.tick()
        before = self.care.published
        announced = {name: self._said(process) for name, process in self.processes.items()}
        self.care.look(sorted(self.wanted), announced, self._epochs_in_use(), self.now)
        if self.care.published is not None and self.care.published is not before:
            self._hear(self.care.published)
        for name in self.processes.keys() - self.wanted:
            if self.care.may_go(name):
                self.care.forget(name)
                del self.processes[name]

    def _epochs_in_use(self) -> EpochsInUse:
        """As the controller knows them."""
        if self.now - self._controller_began_at <= TICKS_UNTIL_HEARD:
            return EpochsInUse(is_complete=False)
        return EpochsInUse(tuple(placement.epoch for placement in self.in_use if placement is not None))

    def _hear(self, published: Placement) -> None:
        """What is published is true, and newer than what this controller has told before."""
        assert published.is_whole
        assert self._told is None or published.epoch > self._told.epoch
        for name in published.workers:
            watch = self.care.watches[name]
            assert watch.held is not None
            assert not watch.is_lost
            assert pairs_of(published.experts_of(name)) <= pairs_of(watch.held.layer_to_experts)
        self._told = published

    def _hear_retain(self, name: str, dropped: Pairs) -> None:
        """Nobody who may still ask for it sees it go."""
        for placement in (*self.in_use, self.care.published):
            if placement is not None:
                assert not dropped & pairs_of(placement.experts_of(name))

    def _new_process(self, name: str) -> PaperProcess:
        self._num_begun += 1
        node = NODES[int(name.rpartition("-")[2]) % len(NODES)]
        return PaperProcess(name, node, f"{name}:{self._num_begun}")

    def _new_care(self) -> ExpertCare:
        self._controller_began_at = self.now
        self._told = None
        return ExpertCare(SHAPE, self.replication, TIMING, self._watch, now=self.now)

    def _watch(self, name: str, address: str) -> PaperWatch:
        process = self.processes[name]
        assert process.address == address
        watch = PaperWatch(process, self._hear_retain)
        self._watches.append(watch)
        return watch

    def _said(self, process: PaperProcess) -> Announcement:
        return replace(_SAID, name=process.name, node=process.node, address=process.address)


_SAID = Announcement("", WorkerKind.EXPERT, "", "", 1, "", "model")
