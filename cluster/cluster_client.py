"""The operators' end of ClusterService: questions and orders over gRPC, as plain values.

Not here: what the controller does with them. Called by commands.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar, cast

import grpc

from protos.errors import ControllerUnreachableError, ExpertMeshError, InvalidRequestError
from protos.gen.v1 import cluster_pb2 as pb
from protos.gen.v1 import cluster_pb2_grpc
from router.channel import TlsFiles, open_channel
from workers.membership.members import MeshTopology
from workers.membership.topology_codec import topology_from_message
from workers.membership.topology_watch import MAX_BYTES

_ANSWER_WITHIN_S = 10.0
_REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Moves:
    """What a rebalancing will do."""

    num_loads: int  # experts that workers load for it
    imbalance_before: float
    imbalance: float


class ClusterClient:
    """Raises ControllerUnreachableError where nobody answers, InvalidRequestError for what is refused."""

    def __init__(
        self, address: str, tls: TlsFiles | None = None, *, answer_within_s: float = _ANSWER_WITHIN_S
    ) -> None:
        self._address = address
        self._answer_within_s = answer_within_s
        self._channel = open_channel(address, MAX_BYTES, tls)
        self._stub = cluster_pb2_grpc.ClusterServiceStub(self._channel)

    def topology(self) -> MeshTopology:
        request = pb.GetTopologyRequest()
        answer = self._asked(lambda: self._stub.GetTopology(request, timeout=self._answer_within_s))
        return topology_from_message(answer.topology)

    def topologies(self) -> Iterator[MeshTopology]:
        """The topology now, and whenever it changes, until the controller goes."""
        stream = self._stub.WatchTopology(pb.WatchTopologyRequest())
        while True:
            said = self._asked(lambda: next(stream, None))
            if said is None:
                raise self._gone("its stream has ended")
            if said.HasField("topology"):
                yield topology_from_message(said.topology)

    def drain(self, *, worker: str | None = None, node: str | None = None) -> list[str]:
        request = pb.DrainRequest(worker=worker, node=node)
        return list(self._asked(lambda: self._stub.Drain(request, timeout=self._answer_within_s)).workers)

    def undrain(self, *, worker: str | None = None, node: str | None = None) -> list[str]:
        request = pb.UndrainRequest(worker=worker, node=node)
        return list(self._asked(lambda: self._stub.Undrain(request, timeout=self._answer_within_s)).workers)

    def rebalance(self, max_loads: int | None = None) -> Moves:
        request = pb.RebalanceRequest(max_loads=max_loads)
        answer = self._asked(lambda: self._stub.Rebalance(request, timeout=self._answer_within_s))
        return Moves(answer.loads, answer.imbalance_before, answer.imbalance)

    def set_replication(self, replicas: int, *, layer: int | None = None, expert: int | None = None) -> None:
        """Of all experts, if none are named."""
        request = pb.SetReplicationRequest(replicas=replicas, layer=layer, expert=expert)
        self._asked(lambda: self._stub.SetReplication(request, timeout=self._answer_within_s))

    def take_back_replication(self, *, layer: int | None = None, expert: int | None = None) -> None:
        request = pb.SetReplicationRequest(take_back=True, layer=layer, expert=expert)
        self._asked(lambda: self._stub.SetReplication(request, timeout=self._answer_within_s))

    def scale(self, *, attention: int | None = None, experts: int | None = None) -> tuple[int, int]:
        """-> how many attention and expert workers there shall be."""
        request = pb.ScaleRequest(attention=attention, experts=experts)
        answer = self._asked(lambda: self._stub.Scale(request, timeout=self._answer_within_s))
        return answer.attention, answer.experts

    def close(self) -> None:
        self._channel.close()

    def _asked(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except grpc.RpcError as error:
            raise self._in_our_words(error) from error

    def _in_our_words(self, error: grpc.RpcError) -> ExpertMeshError:
        call = cast("grpc.Call", error)  # gRPC's errors are calls too, and its types do not say so
        words = call.details() or call.code().name
        return InvalidRequestError(words) if call.code() in _REFUSED else self._gone(words)

    def _gone(self, words: str) -> ControllerUnreachableError:
        return ControllerUnreachableError(
            f"no controller answers at {self._address} ({words}); name its address with --address, or the "
            f"configuration of the mesh with --config"
        )
