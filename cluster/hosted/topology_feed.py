"""Makes of what the controller says what an exchange wants to know: who hosts what, and where they listen."""

from router.topology import Topology
from workers.membership.members import MeshTopology, WorkerKind, WorkerState


def experts_of(mesh: MeshTopology) -> Topology | None:
    """None before there is a placement. A worker that is lost is not worth a lane until it is back."""
    if mesh.placement is None:
        return None
    addresses = {
        worker.name: worker.address
        for worker in mesh.workers
        if worker.kind is WorkerKind.EXPERT
        and worker.address is not None
        and worker.name in mesh.placement.workers
        and worker.state is not WorkerState.STARTING
    }
    return Topology(mesh.placement, addresses)
