"""Experts under care while workers die, return, leave and come, and controllers are replaced: always safe,
and when the world is quiet, soon as wanted."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from protos.errors import InvalidRequestError
from router.placement import Placement
from router.replication import ReplicaRule, ReplicatedPart, Replication
from tests.cluster.controller.paper_mesh import MISSES, SHAPE, TIMING, PaperMesh, PaperProcess, pairs_of

MOST_WORKERS = 6
SETTLED_AFTER = 40
"""Ticks: a load, a publication and a retirement, some of them twice."""

numbers = st.integers(0, 100)
parts = st.none() | st.integers(0, SHAPE.num_experts - 1)


def settle(mesh: PaperMesh) -> None:
    """The world is quiet, and attention workers follow."""
    for name, process in list(mesh.processes.items()):
        if not process.is_alive:
            mesh.revive(name)
    for _ in range(SETTLED_AFTER):
        mesh.tick()
        for number in range(len(mesh.in_use)):
            mesh.follow(number)


def check_as_wanted(mesh: PaperMesh) -> None:
    published = mesh.care.published
    assert published is not None
    assert mesh.care.trouble is None
    assert mesh.processes.keys() == mesh.wanted
    nodes = {name: process.node for name, process in mesh.processes.items()}
    least = mesh.replication.limited(len(mesh.wanted)).least_hosts(SHAPE.num_layers, SHAPE.num_experts)
    for experts, least_of_layer in zip(published.hosts, least, strict=True):
        for hosts, wanted in zip(experts, least_of_layer, strict=True):
            assert len(hosts) >= wanted
            on_nodes = Counter(nodes[published.workers[host]] for host in hosts)
            assert max(on_nodes.values()) <= -(-len(hosts) // len(set(nodes.values())))
    for name, process in mesh.processes.items():
        assert pairs_of(process.holds) == pairs_of(published.experts_of(name))


class Care(RuleBasedStateMachine):
    """`PaperMesh` itself asserts that each publication is true and each retirement is safe."""

    mesh: PaperMesh

    @initialize(num_experts=st.integers(1, 4), replicas=st.integers(1, 3), num_attention=st.integers(1, 3))
    def begin(self, num_experts: int, replicas: int, num_attention: int) -> None:
        self.mesh = PaperMesh(num_experts, Replication(min(replicas, num_experts)), num_attention)

    @rule(count=st.integers(1, 9))
    def time_passes(self, count: int) -> None:
        for _ in range(count):
            self.mesh.tick()

    @rule(number=numbers)
    def a_worker_dies(self, number: int) -> None:
        self._any(number).is_alive = False

    @rule(number=numbers)
    def a_worker_begins_anew(self, number: int) -> None:
        self.mesh.revive(self._any(number).name)

    @precondition(lambda self: len(self.mesh.processes) < MOST_WORKERS)
    @rule()
    def one_more_is_wanted(self) -> None:
        if f"expert-{len(self.mesh.processes)}" not in self.mesh.processes:
            self.mesh.add()

    @precondition(lambda self: len(self.mesh.wanted) > 1)
    @rule(number=numbers)
    def one_is_drained(self, number: int) -> None:
        self.mesh.wanted.remove(sorted(self.mesh.wanted)[number % len(self.mesh.wanted)])

    @rule(replicas=st.integers(1, 3))
    def replication_is_set(self, replicas: int) -> None:
        self._replicate(replace(self.mesh.replication, every=min(replicas, len(self.mesh.wanted))))

    @rule(layer=st.integers(0, SHAPE.num_layers - 1), expert=parts, replicas=st.integers(1, 4))
    def a_rule_is_said(self, layer: int, expert: int | None, replicas: int) -> None:
        self._replicate(self.mesh.replication.with_rule(ReplicaRule(ReplicatedPart(layer, expert), replicas)))

    @precondition(lambda self: self.mesh.replication.rules)
    @rule(number=numbers)
    def a_rule_is_taken_back(self, number: int) -> None:
        rules = self.mesh.replication.rules
        self._replicate(self.mesh.replication.without(rules[number % len(rules)].part))

    @rule(max_loads=st.integers(0, 9))
    def load_is_made_more_even(self, max_loads: int) -> None:
        if self.mesh.care.published is not None:
            assert self.mesh.care.take_up(self.mesh.care.search().found(max_loads))

    @rule()
    def the_controller_is_replaced(self) -> None:
        self.mesh.replace_controller()

    @rule(number=numbers)
    def an_attention_worker_hears(self, number: int) -> None:
        self.mesh.follow(number % len(self.mesh.in_use))

    @rule(number=numbers)
    def an_attention_worker_begins_anew(self, number: int) -> None:
        self.mesh.in_use[number % len(self.mesh.in_use)] = None

    def teardown(self) -> None:
        if hasattr(self, "mesh"):
            settle(self.mesh)
            check_as_wanted(self.mesh)

    def _replicate(self, replication: Replication) -> None:
        self.mesh.care.replicate(replication)
        self.mesh.replication = replication

    def _any(self, number: int) -> PaperProcess:
        names = sorted(self.mesh.processes)
        return self.mesh.processes[names[number % len(names)]]


WITHOUT_EXPLAINING = [phase for phase in Phase if phase is not Phase.explain]
"""It takes minutes for a machine of states, and helps nobody."""

TestCare = Care.TestCase
TestCare.settings = settings(
    max_examples=100, stateful_step_count=20, deadline=None, phases=WITHOUT_EXPLAINING
)


def num_held(placement: Placement, worker: str) -> int:
    return len(pairs_of(placement.experts_of(worker)))


def begun(num_experts: int, replicas: int) -> PaperMesh:
    mesh = PaperMesh(num_experts, Replication(replicas), num_attention=2)
    settle(mesh)
    check_as_wanted(mesh)
    return mesh


def test_with_replicas_the_next_epoch_does_without_the_lost_worker_at_once() -> None:
    mesh = begun(3, 2)
    before = mesh.care.published
    assert before is not None
    mesh.processes["expert-1"].is_alive = False
    for _ in range(MISSES):
        mesh.tick()
    published = mesh.care.published
    assert published is not None
    assert published.epoch == before.epoch + 1
    assert "expert-1" not in published.workers
    assert mesh.care.num_lost == 1


def test_without_replicas_survivors_load_what_is_lost_first() -> None:
    mesh = begun(3, 1)
    before = mesh.care.published
    mesh.processes["expert-1"].is_alive = False
    for _ in range(MISSES):
        mesh.tick()
    assert mesh.care.published is before
    for _ in range(4):
        mesh.tick()
    published = mesh.care.published
    assert published is not None
    assert set(published.workers) == {"expert-0", "expert-2"}


def test_a_worker_that_returns_gets_its_experts_back() -> None:
    mesh = begun(3, 1)
    before = mesh.care.published
    assert before is not None
    mesh.processes["expert-1"].is_alive = False
    for _ in range(int(TIMING.give_up_s) - 2):
        mesh.tick()
    settle(mesh)
    after = mesh.care.published
    assert after is not None
    assert after.hosts == before.hosts
    assert after.workers == before.workers


def test_a_worker_that_begins_anew_at_once_was_lost_all_the_same() -> None:
    mesh = begun(3, 2)
    mesh.revive("expert-1")
    settle(mesh)
    check_as_wanted(mesh)
    assert mesh.care.num_lost == 1


def test_a_worker_that_stays_away_is_given_up() -> None:
    mesh = begun(3, 1)
    mesh.processes["expert-1"].is_alive = False
    for _ in range(int(TIMING.give_up_s) + MISSES + 6):
        mesh.tick()
        mesh.follow(0)
        mesh.follow(1)
    published = mesh.care.published
    assert published is not None
    held = [num_held(published, name) for name in ("expert-0", "expert-2")]
    assert sum(held) >= SHAPE.num_layers * SHAPE.num_experts
    assert max(held) - min(held) <= 1


def test_a_new_controller_moves_nothing() -> None:
    mesh = begun(3, 2)
    before = mesh.care.published
    assert before is not None
    mesh.replace_controller()
    settle(mesh)
    after = mesh.care.published
    assert after is not None
    assert after.hosts == before.hosts
    assert after.epoch > before.epoch


def test_experts_stay_while_one_attention_worker_uses_an_old_placement() -> None:
    mesh = begun(3, 2)
    mesh.wanted.remove("expert-0")
    for _ in range(SETTLED_AFTER):
        mesh.tick()
        mesh.follow(0)
    assert pairs_of(mesh.processes["expert-0"].holds)
    mesh.follow(1)
    for _ in range(4):
        mesh.tick()
    assert "expert-0" not in mesh.processes


def test_a_small_worker_is_given_what_it_has_room_for() -> None:
    mesh = PaperMesh(3, Replication(1), num_attention=1)
    mesh.processes["expert-2"].capacity_bytes = 250
    settle(mesh)
    check_as_wanted(mesh)
    assert mesh.care.published is not None
    assert [num_held(mesh.care.published, f"expert-{number}") for number in range(3)] == [4, 4, 2]


def test_what_fits_nowhere_is_said() -> None:
    mesh = PaperMesh(2, Replication(1), num_attention=1)
    for process in mesh.processes.values():
        process.capacity_bytes = 450
    settle(mesh)
    assert mesh.care.published is None
    assert mesh.care.trouble is not None
    assert "8" in mesh.care.trouble


def test_what_was_found_for_a_mesh_that_is_no_more_is_not_taken_up() -> None:
    mesh = begun(3, 1)
    found = mesh.care.search().found(4)
    mesh.care.replicate(Replication(2))
    assert not mesh.care.take_up(found)
    assert mesh.care.take_up(mesh.care.search().found(4))


def test_of_itself_it_searches_now_and_then_if_anything_was_measured() -> None:
    mesh = begun(3, 1)
    assert mesh.care.due_search(mesh.now) is None
    due = mesh.now + TIMING.rebalance_every_s
    assert mesh.care.due_search(due) is None
    mesh.processes["expert-1"].layer_to_tokens = {1: (0, 0, 9, 0, 0)}
    mesh.tick()
    assert mesh.care.due_search(2 * due) is not None
    assert mesh.care.due_search(2 * due) is None


def test_there_is_nothing_to_rebalance_before_there_is_a_placement() -> None:
    with pytest.raises(InvalidRequestError, match="no placement yet"):
        PaperMesh(2, Replication(), 1).care.search()
