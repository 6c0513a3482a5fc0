"""The gateway's parts that are the same whatever its engines are: names, calls, responses, faces.

Not here: the link to engines, which the caller brings and closes. Called in the gateway's event loop.
"""

import time

from cluster.config.config import Config, GatewayLimits
from cluster.serving.faces import BYTES_OF_MB, make_faces
from cluster.serving.own_model import OwnModel
from gateway.calls.call_book import CallBook
from gateway.calls.call_settings import CallSettings
from gateway.engine_link.link import EngineLink
from gateway.gateway_server import Closer, GatewayServer
from gateway.inference import Inference
from gateway.responses.memory_store import MemoryStore
from gateway.responses.response_settings import ResponseSettings
from gateway.responses.responses import Responses
from gateway.served_model import ServedModel


def make_gateway(
    config: Config,
    own: OwnModel,
    link: EngineLink,
    context_limit: int,
    close_link: Closer,
) -> GatewayServer:
    """Not started yet."""
    gateway = config.gateway
    model = ServedModel(own.name, own.tokenizer, context_limit, int(time.time()), gateway.aliases)
    book = CallBook(call_settings(gateway.limits))
    inference = Inference(link, model, book, is_enveloped=gateway.envelope)
    kept = response_settings(gateway.limits)
    responses = Responses(inference, MemoryStore(kept, time.monotonic), kept)
    return GatewayServer(book, make_faces(config, inference, responses), [responses.aclose, close_link])


def response_settings(limits: GatewayLimits) -> ResponseSettings:
    return ResponseSettings(
        keep_s=limits.stored_s,
        max_responses=limits.max_stored,
        max_bytes=int(limits.max_stored_mb * BYTES_OF_MB),
    )


def call_settings(limits: GatewayLimits) -> CallSettings:
    return CallSettings(
        max_calls=limits.max_calls,
        max_unread=limits.max_unread,
        resume_s=limits.resume_s,
        keep_ended_s=limits.keep_s,
        max_kept=limits.max_kept,
    )
