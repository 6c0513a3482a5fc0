"""An expert worker on the network: the token path, what the controller asks, health and reflection.

Not here: computing (`expert_worker`). Used by whatever gives the worker a process.
"""

import grpc

from protos.errors import ExpertMeshError
from protos.gen.v1 import expert_pb2, expert_pb2_grpc
from router.channel import TlsFiles
from router.frame_service import add_frame_service
from router.worker_server import WorkerServer
from workers.experts.expert_worker import ExpertWorker
from workers.experts.experts_codec import experts_from_message, experts_to_message

SERVICE = "expertmesh.expert.v1.ExpertService"
_NUM_THREADS = 512
"""Each attention worker's stream takes one; each call of the controller takes one while it lasts."""


class ExpertServer(WorkerServer):
    """`start`, then `address` is true until `stop`."""

    def __init__(self, worker: ExpertWorker, host: str, port: int = 0, tls: TlsFiles | None = None) -> None:
        super().__init__(SERVICE, _NUM_THREADS, worker.settings.max_frame_bytes)
        add_frame_service(self.server, worker)
        expert_pb2_grpc.add_ExpertServiceServicer_to_server(_Servicer(worker), self.server)
        self.listen(host, port, tls)


class _Servicer(expert_pb2_grpc.ExpertServiceServicer):
    def __init__(self, worker: ExpertWorker) -> None:
        self._worker = worker

    def Describe(
        self,
        request: expert_pb2.DescribeRequest,
        context: grpc.ServicerContext,
    ) -> expert_pb2.DescribeResponse:
        worker, loads = self._worker, self._worker.loads
        made, shard = worker.settings, worker.shard
        return expert_pb2.DescribeResponse(
            worker=made.name,
            model=made.model,
            arithmetic=made.arithmetic_name,
            epoch=worker.epoch,
            hosted=experts_to_message(shard.layer_to_experts),
            hosted_bytes=shard.num_bytes,
            capacity_bytes=made.capacity_bytes,
            loads=[
                expert_pb2.LayerLoads(layer=layer, tokens=tokens, visits=visits)
                for layer, (tokens, visits) in enumerate(
                    zip(loads.tokens.tolist(), loads.visits.tolist(), strict=True)
                )
                if any(visits)
            ],
        )

    def Load(self, request: expert_pb2.LoadRequest, context: grpc.ServicerContext) -> expert_pb2.LoadResponse:
        try:
            self._worker.load(experts_from_message(request.experts))
        except ExpertMeshError as error:
            context.abort(grpc.StatusCode[error.grpc_code.name], str(error))
        return expert_pb2.LoadResponse()

    def Retain(
        self, request: expert_pb2.RetainRequest, context: grpc.ServicerContext
    ) -> expert_pb2.RetainResponse:
        self._worker.retain(request.epoch, experts_from_message(request.experts))
        return expert_pb2.RetainResponse()
