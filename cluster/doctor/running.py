"""What runs already: a mesh, a gateway. It is no fault if there is none.

Not here: what is wrong inside a mesh (`expertmesh status` shows it).
"""

import http.client
import json
from importlib.util import find_spec

from cluster.config.config import Config
from cluster.doctor.finding import Finding
from cluster.plan.words import counted
from protos.errors import ExpertMeshError

_WITHIN_S = 3.0


def check_mesh(config: Config) -> Finding:
    if find_spec("grpc") is None:
        return Finding.unchecked("mesh", "grpcio is not here; the extra `wire` brings it")
    from cluster.cluster_client import ClusterClient
    from cluster.status_table import is_serving
    from cluster.tls import tls_files
    from workers.membership.members import WorkerState

    where = config.cluster.controller
    address = f"{where.host}:{where.port}"
    if not where.port:
        return Finding.unchecked("mesh", "the port of the controller is left open")
    try:
        client = ClusterClient(address, tls_files(config), answer_within_s=_WITHIN_S)
        try:
            topology = client.topology()
        finally:
            client.close()
    except ExpertMeshError:
        return Finding.ok("mesh", f"none is at {address}")
    if is_serving(topology):
        return Finding.ok("mesh", f"{counted(len(topology.workers), 'worker')} at {address}, all serve")
    unfit = [worker for worker in topology.workers if worker.state is not WorkerState.SERVING]
    said = ", ".join(f"{worker.name} is {worker.state}" for worker in unfit)
    return Finding.warning(
        "mesh",
        f"at {address}: {said or 'no placement yet'}",
        "`expertmesh status --watch` shows what it waits for, docs/cluster.md what that means",
    )


def check_gateway(config: Config) -> Finding:
    """Over plain HTTP, as TLS wants to know whom to trust."""
    gateway = config.gateway
    address = f"{gateway.host}:{gateway.http_port}"
    if not gateway.http_port or gateway.tls:
        why = "it speaks TLS" if gateway.tls else "its port is left open"
        return Finding.unchecked("gateway", f"{why}; ask it yourself: GET /ready")
    connection = http.client.HTTPConnection(gateway.host, gateway.http_port, timeout=_WITHIN_S)
    try:
        connection.request("GET", "/ready")
        with connection.getresponse() as response:
            status, said = response.status, response.read()
    except (OSError, http.client.HTTPException):
        return Finding.ok("gateway", f"none is at {address}")
    finally:
        connection.close()
    if status == http.client.OK:
        return Finding.ok("gateway", f"at {address}, ready")
    return Finding.warning(
        "gateway", f"at {address}, not ready: {_reason(said, status)}", "wait, or look into its log"
    )


def _reason(said: bytes, status: int) -> str:
    try:
        return str(json.loads(said)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {status}"
