"""The workers of a mesh, and the mesh as the controller sees it: plain values.

Workers, gateways, commands and the controller all speak of these. Not here: their messages
(`topology_codec`).
"""

from dataclasses import dataclass
from enum import StrEnum

from router.placement import Placement
from router.replication import ReplicaRule


class WorkerKind(StrEnum):
    """What a worker's process does."""

    ATTENTION = "attention"
    STAGE = "stage"
    EXPERT = "expert"


class WorkerState(StrEnum):
    """How a worker stands."""

    STARTING = "starting"  # its process is wanted, and has not been heard of
    LOADING = "loading"  # it is there, and has not all that it shall have
    SERVING = "serving"
    DRAINING = "draining"  # it finishes what it does
    LOST = "lost"  # it was there, and does not answer


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a worker says of itself, again and again."""

    name: str
    kind: WorkerKind
    node: str
    address: str
    pid: int
    incarnation: str  # another one whenever the process begins anew, which sorts behind those before
    model: str
    epoch: int | None = None  # attention: of the placement in use
    num_running: int = 0
    num_waiting: int = 0


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One line of `expertmesh status`."""

    name: str
    kind: WorkerKind
    state: WorkerState
    node: str = ""
    address: str | None = None
    pid: int = 0
    num_experts: int = 0
    num_bytes: int = 0
    epoch: int | None = None
    num_running: int = 0
    num_waiting: int = 0
    model: str = ""


@dataclass(frozen=True, slots=True)
class MeshTopology:
    """All that there is to say of a mesh."""

    generation: int = 0  # rises with every change, and begins anew with the controller
    controller: str = ""  # another one whenever it begins anew
    model: str = ""
    workers: tuple[WorkerStatus, ...] = ()
    placement: Placement | None = None  # None until every expert has had a host
    imbalance: float | None = None  # how much longer layers take than if load were even
    num_lost: int = 0
    num_rebalances: int = 0
    replicas: int = 1  # that each expert shall have
    rules: tuple[ReplicaRule, ...] = ()  # more, for some experts
    activities: tuple[str, ...] = ()
