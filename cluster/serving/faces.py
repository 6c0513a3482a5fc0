"""The faces of a gateway as the configuration has them: HTTP first, then gRPC.

Not here: what they serve (`gateway.http_face`, `gateway.grpc_face`). Called in the gateway's event loop.
"""

import time
from collections.abc import Sequence

from cluster.config.config import Config, GatewayConfig
from cluster.tls import tls_files
from gateway.classify.policy_folder import PolicyFolder
from gateway.classify.policy_store import PolicyStore
from gateway.face import Face
from gateway.grpc_face.grpc_face import GrpcFace
from gateway.grpc_face.settings import GrpcFaceSettings
from gateway.http_face.http_face import HttpFace
from gateway.http_face.responses.endpoints import response_endpoints
from gateway.http_face.settings import HttpSettings
from gateway.inference import Inference
from gateway.responses.responses import Responses

BYTES_OF_MB = 1 << 20


def make_faces(config: Config, inference: Inference, responses: Responses) -> Sequence[Face]:
    """Not started yet."""
    gateway = config.gateway
    tls = tls_files(config) if gateway.tls else None
    folder = None if gateway.policies is None else PolicyFolder(gateway.policies)
    policies = PolicyStore(time.time, folder)
    return (
        HttpFace(
            inference,
            policies,
            gateway.host,
            gateway.http_port,
            http_settings(gateway),
            response_endpoints(responses, inference.model),
            tls,
        ),
        GrpcFace(
            inference,
            policies,
            gateway.host,
            gateway.grpc_port,
            tls=tls,
            settings=GrpcFaceSettings(max_request_bytes=_max_body_bytes(gateway)),
        ),
    )


def http_settings(gateway: GatewayConfig) -> HttpSettings:
    return HttpSettings(max_body_bytes=_max_body_bytes(gateway), cors_origins=gateway.cors_origins)


def _max_body_bytes(gateway: GatewayConfig) -> int:
    return int(gateway.limits.max_body_mb * BYTES_OF_MB)
