"""All endpoints of this face. Other parts of the gateway bring their own to `HttpFace`."""

from gateway.classify.policy_store import PolicyStore
from gateway.http_face.chat.endpoint import chat_endpoints
from gateway.http_face.classify.endpoint import classify_endpoints
from gateway.http_face.completions.endpoint import completion_endpoints
from gateway.http_face.endpoint import Endpoint
from gateway.http_face.service_endpoints import service_endpoints
from gateway.inference import Inference


def all_endpoints(inference: Inference, policies: PolicyStore) -> tuple[Endpoint, ...]:
    return (
        *chat_endpoints(inference),
        *completion_endpoints(inference),
        *classify_endpoints(inference, policies),
        *service_endpoints(inference),
    )
