"""What a person sees: aligned, in a terminal's width, and true."""

from dataclasses import replace

from cluster.status_table import is_serving, serving_addresses, status_table
from router.placement import Placement
from router.replication import ReplicaRule, ReplicatedPart
from workers.membership.members import MeshTopology, WorkerKind, WorkerState, WorkerStatus

ATTENTION = WorkerStatus(
    "attention-0",
    WorkerKind.ATTENTION,
    WorkerState.SERVING,
    "first",
    "10.0.0.1:40849",
    epoch=4,
    num_running=3,
)
STAGE = WorkerStatus("attention-0-stage-1", WorkerKind.STAGE, WorkerState.LOADING, "second", "10.0.0.2:1234")
EXPERT = WorkerStatus(
    "expert-0",
    WorkerKind.EXPERT,
    WorkerState.SERVING,
    "first",
    "10.0.0.1:3",
    num_experts=48,
    num_bytes=6_353_000,
)
STARTING = WorkerStatus("expert-1", WorkerKind.EXPERT, WorkerState.STARTING)
PLACEMENT = Placement(4, ("expert-0",), (((0,), (0,)),))
MESH = MeshTopology(
    workers=(ATTENTION, STAGE, EXPERT, STARTING),
    placement=PLACEMENT,
    imbalance=1.0949,
    num_lost=2,
    num_rebalances=1,
    replicas=1,
    activities=("waiting for expert-1",),
)


def test_the_whole_of_it() -> None:
    assert status_table(MESH).splitlines() == [
        "epoch 4 · 1 replica of each expert · imbalance 1.09 · 2 lost · 1 rebalanced",
        "",
        "WORKER               STATE     NODE    ADDRESS         LOAD",
        "attention-0          serving   first   10.0.0.1:40849  3 run, 0 wait; epoch 4",
        "attention-0-stage-1  loading   second  10.0.0.2:1234   no epoch",
        "expert-0             serving   first   10.0.0.1:3      48 experts, 6.35 MB",
        "expert-1             starting  -       -               -",
        "",
        "now: waiting for expert-1",
    ]


def test_a_mesh_that_has_just_begun() -> None:
    table = status_table(MeshTopology(workers=(STARTING,), replicas=3))
    assert table.splitlines()[0] == "no placement yet · 3 replicas of each expert · 0 lost · 0 rebalanced"


def test_rules_are_shown_with_what_they_still_lack() -> None:
    single = ReplicaRule(ReplicatedPart(0, 1), 2)
    table = status_table(replace(MESH, rules=(single, ReplicaRule(ReplicatedPart(layer=0), 1))))
    assert table.splitlines()[1:4] == [
        "2 replicas of expert 1 of layer 0, 1 so far",
        "1 replica of every expert of layer 0",
        "",
    ]
    assert "2 replicas of expert 1 of layer 0\n" in status_table(
        replace(MESH, rules=(single,), placement=None)
    )
    assert "\nand 2 rules more\n\n" in status_table(replace(MESH, rules=(single,) * 12))


def test_large_shards_are_said_in_few_digits() -> None:
    large = replace(EXPERT, num_experts=4608, num_bytes=60_812_000_000)
    assert "4608 experts, 60.8 GB" in status_table(replace(MESH, workers=(large,)))


def test_it_serves_when_all_do_and_know_each_other() -> None:
    assert not is_serving(MESH)
    whole = replace(MESH, workers=(ATTENTION, EXPERT))
    assert is_serving(whole)
    assert not is_serving(replace(whole, placement=None))


def test_gateways_may_go_to_attention_workers_that_serve() -> None:
    draining = replace(ATTENTION, name="attention-1", state=WorkerState.DRAINING)
    assert serving_addresses(replace(MESH, workers=(ATTENTION, draining, EXPERT))) == ["10.0.0.1:40849"]
