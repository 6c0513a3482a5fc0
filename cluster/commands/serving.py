"""What the commands that serve clients share: where they serve, when they end, the pace of their looks.

Called by `serve` and `gateway`.
"""

import argparse
import math
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.config.config import Config

_LAST_PORT = 65_535

LOOK_EVERY_S = 0.1
"""Between two looks at what is served, while nobody has asked for the end."""


def add_drain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--drain-s",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="for requests to end, at the end (%(default)g)",
    )


def add_place(parser: argparse.ArgumentParser) -> None:
    """What is said here holds, whatever the configuration says."""
    parser.add_argument("--host", metavar="H", help="address to serve at (gateway.host: 127.0.0.1)")
    parser.add_argument(
        "--http-port", type=port, metavar="P", help="of the OpenAI API; 0: any free (gateway.http_port: 8000)"
    )
    parser.add_argument(
        "--grpc-port", type=port, metavar="P", help="of gRPC; 0: any free one (gateway.grpc_port: 8001)"
    )


def placed(config: "Config", arguments: argparse.Namespace) -> "Config":
    """With what `add_place` has asked for."""
    gateway = config.gateway
    return replace(
        config,
        gateway=replace(
            gateway,
            host=gateway.host if arguments.host is None else arguments.host,
            http_port=gateway.http_port if arguments.http_port is None else arguments.http_port,
            grpc_port=gateway.grpc_port if arguments.grpc_port is None else arguments.grpc_port,
        ),
    )


def port(text: str) -> int:
    """Of an argument."""
    number = int(text)  # argparse puts its ValueError into words
    if not 0 <= number <= _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is no port; 0 to {_LAST_PORT} are, and 0 is any free one")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)  # argparse puts its ValueError into words
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no time to wait; 0 or more seconds are")
    return seconds
