"""The controller's end of an expert worker: its questions and orders over gRPC, as plain values."""

from dataclasses import dataclass

from protos.gen.v1 import expert_pb2, expert_pb2_grpc
from router.channel import TlsFiles, open_channel
from router.placement import LayerToExperts
from workers.experts.experts_codec import experts_from_message, experts_to_message

_MAX_BYTES = 16 << 20
"""Of an answer: the loads of every expert of every layer."""


@dataclass(frozen=True, slots=True)
class ExpertDescription:
    """What an expert worker says of itself."""

    worker: str
    model: str
    arithmetic: str
    epoch: int
    layer_to_experts: LayerToExperts
    hosted_bytes: int
    capacity_bytes: int | None
    layer_to_tokens: dict[int, tuple[int, ...]]  # since it began; layers that nobody wanted are not there
    layer_to_visits: dict[int, tuple[int, ...]]


class ExpertControl:
    """One for each expert worker. Raises grpc.RpcError where it does not answer, or refuses."""

    def __init__(self, address: str, tls: TlsFiles | None = None) -> None:
        self.address = address
        self._channel = open_channel(address, _MAX_BYTES, tls)
        self._stub = expert_pb2_grpc.ExpertServiceStub(self._channel)

    def describe(self, timeout_s: float) -> ExpertDescription:
        said = self._stub.Describe(expert_pb2.DescribeRequest(), timeout=timeout_s)
        return ExpertDescription(
            worker=said.worker,
            model=said.model,
            arithmetic=said.arithmetic,
            epoch=said.epoch,
            layer_to_experts=experts_from_message(said.hosted),
            hosted_bytes=said.hosted_bytes,
            capacity_bytes=said.capacity_bytes if said.HasField("capacity_bytes") else None,
            layer_to_tokens={loads.layer: tuple(loads.tokens) for loads in said.loads},
            layer_to_visits={loads.layer: tuple(loads.visits) for loads in said.loads},
        )

    def load(self, layer_to_experts: LayerToExperts, timeout_s: float) -> None:
        """Returns when they are there."""
        request = expert_pb2.LoadRequest(experts=experts_to_message(layer_to_experts))
        self._stub.Load(request, timeout=timeout_s)

    def retain(self, epoch: int, layer_to_experts: LayerToExperts, timeout_s: float) -> None:
        request = expert_pb2.RetainRequest(epoch=epoch, experts=experts_to_message(layer_to_experts))
        self._stub.Retain(request, timeout=timeout_s)

    def close(self) -> None:
        self._channel.close()
