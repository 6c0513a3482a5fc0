"""The topology of a mesh as text that fits a terminal. Pure.

Not here: asking for it (`cluster_client`). Called by `expertmesh status` and `expertmesh serve`.
"""

from collections.abc import Sequence

from router.placement import Placement
from router.replication import ReplicaRule
from workers.membership.members import MeshTopology, WorkerKind, WorkerState, WorkerStatus

_HEADINGS = ("WORKER", "STATE", "NODE", "ADDRESS", "LOAD")
_MOST_RULES = 10
_UNITS = ("B", "KB", "MB", "GB", "TB")


def status_table(topology: MeshTopology) -> str:
    rows = [_HEADINGS, *map(_row, topology.workers)]
    lines = [_summary(topology), *_rules(topology), "", *_aligned(rows)]
    if topology.activities:
        lines += ["", *(f"now: {activity}" for activity in topology.activities)]
    return "\n".join(lines)


def is_serving(topology: MeshTopology) -> bool:
    """Whether all workers that shall be there serve."""
    return topology.placement is not None and all(
        worker.state is WorkerState.SERVING for worker in topology.workers
    )


def serving_addresses(topology: MeshTopology) -> list[str]:
    """Of attention workers: where gateways may go."""
    return [
        worker.address
        for worker in topology.workers
        if worker.kind is WorkerKind.ATTENTION
        and worker.state is WorkerState.SERVING
        and worker.address is not None
    ]


def _summary(topology: MeshTopology) -> str:
    said = [
        "no placement yet" if topology.placement is None else f"epoch {topology.placement.epoch}",
        f"{topology.replicas} {'replica' if topology.replicas == 1 else 'replicas'} of each expert",
        *([] if topology.imbalance is None else [f"imbalance {topology.imbalance:.2f}"]),
        f"{topology.num_lost} lost",
        f"{topology.num_rebalances} rebalanced",
    ]
    return " · ".join(said)


def _rules(topology: MeshTopology) -> list[str]:
    """Each in a line, as long as they are few."""
    rules, placement = topology.rules, topology.placement
    lines = [str(rule) if placement is None else _standing(rule, placement) for rule in rules[:_MOST_RULES]]
    return lines if len(rules) <= _MOST_RULES else [*lines, f"and {len(rules) - _MOST_RULES} rules more"]


def _standing(rule: ReplicaRule, placement: Placement) -> str:
    pairs = rule.part.pairs(placement.num_layers, placement.num_experts)
    now = min(len(placement.hosts[layer][expert]) for layer, expert in pairs)
    return str(rule) if now >= rule.replicas else f"{rule}, {now} so far"


def _row(worker: WorkerStatus) -> Sequence[str]:
    return (worker.name, worker.state, worker.node or "-", worker.address or "-", _load(worker))


def _load(worker: WorkerStatus) -> str:
    if worker.state is WorkerState.STARTING:
        return "-"
    if worker.kind is WorkerKind.EXPERT:
        return f"{worker.num_experts} experts, {_bytes(worker.num_bytes)}"
    if worker.kind is WorkerKind.STAGE:
        return _epoch(worker)
    return f"{worker.num_running} run, {worker.num_waiting} wait; {_epoch(worker)}"


def _epoch(worker: WorkerStatus) -> str:
    return "no epoch" if worker.epoch is None else f"epoch {worker.epoch}"


def _bytes(count: int) -> str:
    number, unit = float(count), 0
    while number >= 1000 and unit + 1 < len(_UNITS):
        number, unit = number / 1000, unit + 1
    return f"{number:.3g} {_UNITS[unit]}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
