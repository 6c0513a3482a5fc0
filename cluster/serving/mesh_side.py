"""Opens a gateway on a mesh: it follows the controller, so its link knows the attention workers there are.

Needs neither torch nor ray. Called in the gateway's event loop, by `expertmesh gateway` and `serve`.
"""

import asyncio

from cluster.config.config import Config
from cluster.serving.mesh_workers import MeshWorkers
from cluster.serving.own_model import OwnModel
from cluster.serving.parts import make_gateway
from cluster.tls import tls_files
from gateway.engine_link.failover_link import FailoverLink
from gateway.engine_link.grpc_link import GrpcEngineLink
from gateway.gateway_server import GatewayServer
from workers.membership.members import MeshTopology
from workers.membership.topology_watch import FindController, TopologyWatch


async def open_on_mesh(config: Config, own: OwnModel, find_controller: FindController) -> GatewayServer:
    """Waits until an attention worker serves; raises WorkerMismatchError if it serves another model."""
    tls = tls_files(config)
    loop = asyncio.get_running_loop()
    link = FailoverLink(lambda address, changed: GrpcEngineLink(address, tls=tls, changed=changed))
    workers = MeshWorkers(link, own.tokenizer.vocab_size, own.vocabulary, tls)

    def hear(topology: MeshTopology) -> None:
        loop.call_soon_threadsafe(workers.hear, topology)

    watch = TopologyWatch(find_controller, hear, tls)

    async def close_link() -> None:
        await asyncio.to_thread(watch.close)
        await workers.aclose()
        await link.aclose()

    watch.start()
    try:
        described = await workers.first()
        return make_gateway(config, own, link, described.context_limit, close_link)
    except BaseException:
        await close_link()
        raise
