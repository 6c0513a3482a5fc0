"""The gateway's parts that are the same whatever its engines are: names, calls, faces.

Not here: the link to engines, which the caller brings and closes. Called in the gateway's event loop.
"""

import time
from collections.abc import Awaitable, Callable, Sequence

from cluster.config.config import Config, GatewayConfig
from cluster.serving.faces import make_faces
from cluster.serving.own_model import OwnModel
from gateway.calls.call_book import CallBook
from gateway.calls.call_settings import CallSettings
from gateway.engine_link.link import EngineLink
from gateway.face import Face
from gateway.gateway_server import GatewayServer
from gateway.inference import Inference
from gateway.served_model import ServedModel

MakeFaces = Callable[[Config, Inference], Sequence[Face]]


def make_gateway(
    config: Config,
    own: OwnModel,
    link: EngineLink,
    context_limit: int,
    close_link: Callable[[], Awaitable[None]],
    faces: MakeFaces = make_faces,
) -> GatewayServer:
    """Not started yet."""
    model = ServedModel(own.name, own.tokenizer, context_limit, int(time.time()), config.gateway.aliases)
    book = CallBook(call_settings(config.gateway))
    return GatewayServer(book, faces(config, Inference(link, model, book)), close_link)


def call_settings(gateway: GatewayConfig) -> CallSettings:
    limits = gateway.limits
    return CallSettings(
        max_calls=limits.max_calls,
        max_unread=limits.max_unread,
        resume_s=limits.resume_s,
        keep_ended_s=limits.keep_s,
        max_kept=limits.max_kept,
    )
