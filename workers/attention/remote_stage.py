"""An attention worker's end of a stage: opens it, sends hidden states, waits for what comes of them.

A stage that is lost is not asked again: its keys and values are gone, and with them every sequence of this
worker. Called by one thread.
"""

import queue
from itertools import count

import grpc
from torch import Tensor

from model.step_batch import StepBatch
from protos.errors import ConfigError, FrameError, StageLostError, WorkerMismatchError
from protos.gen.v1 import stage_pb2, stage_pb2_grpc
from router.channel import TlsFiles, open_channel
from router.dispatch_frames import Refusal
from router.frame import FrameKind, decode
from router.lane import FrameArrived, Lane, LaneEvent, LaneLost, LaneOpened
from workers.attention.stage_frames import Hidden, StageStep
from workers.cache.cached_pages import CacheLayout
from workers.engine.settings import EngineSettings

_CONTROL_BYTES = 1 << 16
_CONTROL_TIMEOUT_S = 60.0
"""To take the memory of a cache, and in deterministic mode to prove the row tile."""


class RemoteStage:
    """`start`, `open`, then `run` step by step, then `close`."""

    def __init__(
        self,
        source: str,
        address: str,
        *,
        model: str,
        max_frame_bytes: int = 64 << 20,
        step_timeout_s: float = 300.0,
        tls: TlsFiles | None = None,
    ) -> None:
        self.address = address
        self._source = source
        self._model = model
        self._max_frame_bytes = max_frame_bytes
        self._step_timeout_s = step_timeout_s
        self._inbox: queue.SimpleQueue[LaneEvent] = queue.SimpleQueue()
        self._lane = Lane(address, address, self._inbox, max_frame_bytes=max_frame_bytes, tls=tls)
        self._channel = open_channel(address, _CONTROL_BYTES, tls)
        self._stub = stage_pb2_grpc.StageServiceStub(self._channel)
        self._numbers = count(1)
        self._session = 0

    def describe(self, settings: EngineSettings, layout: CacheLayout) -> stage_pb2.DescribeResponse:
        """Its layers, and how many pages there is room for."""
        request = stage_pb2.DescribeRequest(
            page_size=layout.page_size,
            tokens_per_step=settings.tokens_per_step,
            max_running=settings.max_running,
            checkpoint_interval=settings.checkpoint_interval,
        )
        try:
            said: stage_pb2.DescribeResponse = self._stub.Describe(request, timeout=_CONTROL_TIMEOUT_S)
        except grpc.RpcError as error:
            raise self._lost(error) from error
        if said.model != self._model:
            raise WorkerMismatchError(
                f"stage {said.worker} serves the model {said.model}, and this worker {self._model}"
            )
        return said

    def check_frame(self, num_bytes: int) -> None:
        """Whether the largest step fits into a frame: else it would break the stream, again and again."""
        if num_bytes > self._max_frame_bytes:
            raise ConfigError(
                f"a step may take {num_bytes / 1e6:.1f} MB on its way to a stage, and a frame at most "
                f"{self._max_frame_bytes / 1e6:.1f} MB; raise router.max_frame_mb, or lower "
                f"engine.tokens_per_step"
            )

    def open(self, num_pages: int, page_size: int, row_tile: int | None) -> None:
        """Take its cache, and a stream to it."""
        request = stage_pb2.OpenRequest(num_pages=num_pages, page_size=page_size, row_tile=row_tile)
        try:
            self._session = self._stub.Open(request, timeout=_CONTROL_TIMEOUT_S).session
        except grpc.RpcError as error:
            raise self._lost(error) from error
        self._lane.start()
        event = self._next(_CONTROL_TIMEOUT_S)
        if not isinstance(event, LaneOpened):
            raise StageLostError(f"the stage at {self.address} does not greet: {event}")

    def run(self, hidden: Tensor, batch: StepBatch) -> Tensor:
        """hidden: [tokens, hidden] -> [rows that batch.logit_rows names, hidden]"""
        number = next(self._numbers)
        self._lane.send(StageStep(self._source, number, self._session, hidden, batch).encode())
        event = self._next(self._step_timeout_s)
        if isinstance(event, FrameArrived):
            frame = decode(event.data, self._max_frame_bytes)
            if frame.kind is FrameKind.REFUSAL:
                raise StageLostError(f"the stage at {self.address} refuses: {Refusal.of(frame).message}")
            answer = Hidden.of(frame, hidden.dtype)
            if answer.number != number or len(answer.rows) != len(batch.logit_rows):
                raise FrameError(f"the stage at {self.address} has answered another step")
            return answer.rows.to(hidden.device)
        reason = event.reason if isinstance(event, LaneLost) else "it greets in mid-step"
        raise StageLostError(f"the stage at {self.address} is lost: {reason}")

    def close(self) -> None:
        self._lane.close()
        self._channel.close()

    def _next(self, timeout_s: float) -> LaneEvent:
        try:
            return self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            raise StageLostError(
                f"the stage at {self.address} has not answered for {timeout_s:g} s"
            ) from None

    def _lost(self, error: grpc.RpcError) -> StageLostError | ConfigError:
        return StageLostError(f"the stage at {self.address} does not answer: {error}")
