"""The OpenAPI document of a gateway with all its endpoints, that reaches no engine and listens nowhere."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from gateway.calls.call_book import CallBook
from gateway.classify.policy_store import PolicyStore
from gateway.engine_link.failover_link import FailoverLink
from gateway.engine_link.grpc_link import GrpcEngineLink
from gateway.http_face.endpoints import all_endpoints
from gateway.http_face.openapi import openapi_document, openapi_endpoint
from gateway.http_face.responses.endpoints import response_endpoints
from gateway.inference import Inference
from gateway.responses.memory_store import MemoryStore
from gateway.responses.response_settings import ResponseSettings
from gateway.responses.responses import Responses
from gateway.served_model import ServedModel
from model.tokenizer.byte_tokenizer import write_byte_tokenizer
from model.tokenizer.tokenizer import Tokenizer

_VOCAB_SIZE = 300


async def openapi_here() -> Mapping[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        write_byte_tokenizer(Path(folder), _VOCAB_SIZE)
        model = ServedModel("any", Tokenizer.open(Path(folder), _VOCAB_SIZE), context_limit=1, created=0)
    link = FailoverLink(lambda address, changed: GrpcEngineLink(address, changed=changed))
    inference = Inference(link, model, CallBook())
    kept = ResponseSettings()
    responses = Responses(inference, MemoryStore(kept, time.monotonic), kept)
    endpoints = (
        *all_endpoints(inference, PolicyStore(time.time)),
        *response_endpoints(responses, model),
    )
    return openapi_document((*endpoints, openapi_endpoint(endpoints)))
