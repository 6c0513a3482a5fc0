"""A stage on the network: the stream of steps, what its attention worker asks, health and reflection.

Not here: computing (`stage_worker`). Used by whatever gives the stage a process.
"""

import grpc

from protos.errors import ExpertMeshError
from protos.gen.v1 import stage_pb2, stage_pb2_grpc
from router.channel import TlsFiles
from router.frame_service import add_frame_service
from router.worker_server import WorkerServer
from workers.attention.stage_worker import StageWorker
from workers.cache.cached_pages import CacheLayout

SERVICE = "expertmesh.stage.v1.StageService"
_NUM_THREADS = 64


class StageServer(WorkerServer):
    """`start`, then `address` is true until `stop`."""

    def __init__(self, worker: StageWorker, host: str, port: int = 0, tls: TlsFiles | None = None) -> None:
        super().__init__(SERVICE, _NUM_THREADS, worker.settings.max_frame_bytes)
        add_frame_service(self.server, worker)
        stage_pb2_grpc.add_StageServiceServicer_to_server(_Servicer(worker), self.server)
        self.listen(host, port, tls)


class _Servicer(stage_pb2_grpc.StageServiceServicer):
    def __init__(self, worker: StageWorker) -> None:
        self._worker = worker

    def Describe(
        self, request: stage_pb2.DescribeRequest, context: grpc.ServicerContext
    ) -> stage_pb2.DescribeResponse:
        worker = self._worker
        layout = CacheLayout(request.page_size, worker.config.sliding_window, request.checkpoint_interval)
        try:
            num_pages = worker.most_pages(layout, request.tokens_per_step, request.max_running)
        except ExpertMeshError as error:
            context.abort(grpc.StatusCode[error.grpc_code.name], str(error))
        return stage_pb2.DescribeResponse(
            worker=worker.settings.name,
            model=worker.settings.model,
            first_layer=worker.layers[0],
            num_layers=len(worker.layers),
            num_pages=num_pages,
        )

    def Open(self, request: stage_pb2.OpenRequest, context: grpc.ServicerContext) -> stage_pb2.OpenResponse:
        row_tile = request.row_tile if request.HasField("row_tile") else None
        try:
            session = self._worker.open(request.num_pages, request.page_size, row_tile)
        except ExpertMeshError as error:
            context.abort(grpc.StatusCode[error.grpc_code.name], str(error))
        return stage_pb2.OpenResponse(session=session)
