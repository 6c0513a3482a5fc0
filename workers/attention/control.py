"""The controller's end of an attention worker: its questions and orders over gRPC, as plain values."""

from dataclasses import dataclass

from protos.gen.v1 import attention_pb2 as pb
from protos.gen.v1 import attention_pb2_grpc
from router.channel import TlsFiles, open_channel
from workers.attention.event_codec import load_from_message
from workers.engine.load import EngineLoad

_MAX_BYTES = 1 << 20
_SLACK_S = 1.0
"""What a call may take beyond the time that the worker is given."""


@dataclass(frozen=True, slots=True)
class AttentionDescription:
    """What an attention worker says of itself."""

    model_fingerprint: str
    context_limit: int
    vocab_size: int
    load: EngineLoad
    vocabulary: str | None  # the fingerprint of its tokenizer; None: it has none, or does not say


class AttentionControl:
    """One for each attention worker. Raises grpc.RpcError where it does not answer."""

    def __init__(self, address: str, tls: TlsFiles | None = None) -> None:
        self.address = address
        self._channel = open_channel(address, _MAX_BYTES, tls)
        self._stub = attention_pb2_grpc.AttentionServiceStub(self._channel)

    def describe(self, timeout_s: float) -> AttentionDescription:
        said = self._stub.Describe(pb.DescribeRequest(), timeout=timeout_s)
        return AttentionDescription(
            said.model_fingerprint,
            said.context_limit,
            said.vocab_size,
            load_from_message(said.load),
            said.vocabulary_fingerprint if said.HasField("vocabulary_fingerprint") else None,
        )

    def drain(self, timeout_s: float) -> int:
        """Take nothing new, and wait for what runs; -> how many requests have not ended in this time."""
        said = self._stub.Drain(pb.DrainRequest(timeout_s=timeout_s), timeout=timeout_s + _SLACK_S)
        return int(said.num_left)

    def close(self) -> None:
        self._channel.close()
