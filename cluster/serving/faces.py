"""The faces of a gateway as the configuration has them: HTTP first, then gRPC.

Not here: what they serve (`gateway.http_face`, `gateway.grpc_face`). Called in the gateway's event loop.
"""

import time
from collections.abc import Sequence

from cluster.config.config import Config
from gateway.classify.policy_folder import PolicyFolder
from gateway.classify.policy_store import PolicyStore
from gateway.face import Face
from gateway.grpc_face.grpc_face import GrpcFace
from gateway.grpc_face.settings import GrpcFaceSettings
from gateway.http_face.http_face import HttpFace
from gateway.http_face.settings import HttpSettings
from gateway.inference import Inference

_BYTES_OF_MB = 1 << 20


def make_faces(config: Config, inference: Inference) -> Sequence[Face]:
    gateway = config.gateway
    max_bytes = int(gateway.limits.max_body_mb * _BYTES_OF_MB)
    folder = None if gateway.policies is None else PolicyFolder(gateway.policies)
    return (
        HttpFace(inference, gateway.host, gateway.http_port, HttpSettings(max_body_bytes=max_bytes)),
        GrpcFace(
            inference,
            PolicyStore(time.time, folder),
            gateway.host,
            gateway.grpc_port,
            settings=GrpcFaceSettings(max_request_bytes=max_bytes),
        ),
    )
