"""The topology, and what workers announce, to messages of cluster.proto and back.

Torch-free: gateways follow the topology too. Called by the controller's servicer, by the threads with which
workers follow it, and by commands.
"""

from itertools import accumulate, pairwise

from protos.gen.v1 import cluster_pb2 as pb
from router.placement import Placement
from router.replication import ReplicaRule, ReplicatedPart
from workers.membership.members import Announcement, MeshTopology, WorkerKind, WorkerState, WorkerStatus

_KIND_TO_NUMBER = {
    WorkerKind.ATTENTION: pb.WORKER_KIND_ATTENTION,
    WorkerKind.STAGE: pb.WORKER_KIND_STAGE,
    WorkerKind.EXPERT: pb.WORKER_KIND_EXPERT,
}
_STATE_TO_NUMBER = {
    WorkerState.STARTING: pb.WORKER_STATE_STARTING,
    WorkerState.LOADING: pb.WORKER_STATE_LOADING,
    WorkerState.SERVING: pb.WORKER_STATE_SERVING,
    WorkerState.DRAINING: pb.WORKER_STATE_DRAINING,
    WorkerState.LOST: pb.WORKER_STATE_LOST,
}
_NUMBER_TO_KIND = {number: kind for kind, number in _KIND_TO_NUMBER.items()}
_NUMBER_TO_STATE = {number: state for state, number in _STATE_TO_NUMBER.items()}


def announcement_to_message(said: Announcement) -> pb.AnnounceRequest:
    return pb.AnnounceRequest(
        name=said.name,
        kind=_KIND_TO_NUMBER[said.kind],
        node=said.node,
        address=said.address,
        pid=said.pid,
        incarnation=said.incarnation,
        model=said.model,
        epoch=said.epoch,
        running=said.num_running,
        waiting=said.num_waiting,
    )


def announcement_from_message(said: pb.AnnounceRequest) -> Announcement | None:
    """None for a kind of worker that only a newer release knows."""
    kind = _NUMBER_TO_KIND.get(said.kind)
    if kind is None:
        return None
    return Announcement(
        name=said.name,
        kind=kind,
        node=said.node,
        address=said.address,
        pid=said.pid,
        incarnation=said.incarnation,
        model=said.model,
        epoch=said.epoch if said.HasField("epoch") else None,
        num_running=said.running,
        num_waiting=said.waiting,
    )


def topology_to_message(topology: MeshTopology) -> pb.Topology:
    placement = topology.placement
    return pb.Topology(
        epoch=0 if placement is None else placement.epoch,
        generation=topology.generation,
        controller=topology.controller,
        model=topology.model,
        workers=[_worker_to_message(worker) for worker in topology.workers],
        placement=None if placement is None else _placement_to_message(placement),
        imbalance=topology.imbalance,
        workers_lost=topology.num_lost,
        rebalances=topology.num_rebalances,
        activities=topology.activities,
        replicas=topology.replicas,
        rules=[_rule_to_message(rule) for rule in topology.rules],
    )


def topology_from_message(said: pb.Topology) -> MeshTopology:
    return MeshTopology(
        generation=said.generation,
        controller=said.controller,
        model=said.model,
        workers=tuple(
            _worker_from_message(worker) for worker in said.workers if worker.kind in _NUMBER_TO_KIND
        ),
        placement=_placement_from_message(said.placement, said.epoch) if said.HasField("placement") else None,
        imbalance=said.imbalance if said.HasField("imbalance") else None,
        num_lost=said.workers_lost,
        num_rebalances=said.rebalances,
        replicas=said.replicas,
        rules=tuple(rule for said_rule in said.rules if (rule := _rule_from_message(said_rule)) is not None),
        activities=tuple(said.activities),
    )


def part_from_message(said: pb.ReplicaRule | pb.SetReplicationRequest) -> ReplicatedPart | None:
    """None: all experts."""
    layer = said.layer if said.HasField("layer") else None
    expert = said.expert if said.HasField("expert") else None
    return None if layer is expert is None else ReplicatedPart(layer, expert)


def _rule_to_message(rule: ReplicaRule) -> pb.ReplicaRule:
    return pb.ReplicaRule(layer=rule.part.layer, expert=rule.part.expert, replicas=rule.replicas)


def _rule_from_message(said: pb.ReplicaRule) -> ReplicaRule | None:
    """None for a rule about something that only a newer release knows."""
    part = part_from_message(said)
    return None if part is None else ReplicaRule(part, said.replicas)


def _worker_to_message(worker: WorkerStatus) -> pb.Worker:
    return pb.Worker(
        name=worker.name,
        kind=_KIND_TO_NUMBER[worker.kind],
        state=_STATE_TO_NUMBER[worker.state],
        node=worker.node,
        address=worker.address,
        pid=worker.pid,
        hosted_experts=worker.num_experts,
        hosted_bytes=worker.num_bytes,
        epoch=worker.epoch,
        running=worker.num_running,
        waiting=worker.num_waiting,
        model=worker.model,
    )


def _worker_from_message(said: pb.Worker) -> WorkerStatus:
    return WorkerStatus(
        name=said.name,
        kind=_NUMBER_TO_KIND[said.kind],
        state=_NUMBER_TO_STATE.get(said.state, WorkerState.LOADING),
        node=said.node,
        address=said.address if said.HasField("address") else None,
        pid=said.pid,
        num_experts=said.hosted_experts,
        num_bytes=said.hosted_bytes,
        epoch=said.epoch if said.HasField("epoch") else None,
        num_running=said.running,
        num_waiting=said.waiting,
        model=said.model,
    )


def _placement_to_message(placement: Placement) -> pb.Placement:
    layers = [
        pb.PlacedLayer(
            first=accumulate(map(len, experts), initial=0),
            hosts=[host for hosts in experts for host in hosts],
        )
        for experts in placement.hosts
    ]
    return pb.Placement(workers=placement.workers, layers=layers)


def _placement_from_message(said: pb.Placement, epoch: int) -> Placement:
    hosts = tuple(
        tuple(tuple(layer.hosts[start:end]) for start, end in pairwise(layer.first)) for layer in said.layers
    )
    return Placement(epoch, tuple(said.workers), hosts)
