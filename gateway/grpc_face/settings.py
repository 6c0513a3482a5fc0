"""Limits of the gRPC face. Checked once, never changed. Not here: limits of calls (`gateway.calls`)."""

from dataclasses import dataclass

from gateway.positive import check_positive


@dataclass(frozen=True, slots=True)
class GrpcFaceSettings:
    """Of one server."""

    max_request_bytes: int = 4 << 20  # a prompt of the longest context takes a quarter
    max_response_bytes: int = 64 << 20  # the same prompt with twenty log-probabilities a token takes half
    max_concurrent_rpcs: int = 16_384
    max_messages: int = 4096  # of one conversation
    max_tools: int = 512
    request_s: float = 30.0  # that a client has to send its request, once it has begun a call
    readiness_s: float = 0.2  # how often the health service looks
    deadline_slack_s: float = 0.1  # of a call's time, kept for telling the client; at most a tenth of it

    def __post_init__(self) -> None:
        check_positive(self)
