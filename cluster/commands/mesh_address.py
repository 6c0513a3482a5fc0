"""The arguments with which commands find the controller of a mesh that is there, and the client to it.

Not here: what they ask of it.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from protos.errors import ConfigError

if TYPE_CHECKING:
    from cluster.cluster_client import ClusterClient

_DEFAULT_ADDRESS = "127.0.0.1:7700"


def add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--address",
        type=host_and_port,
        metavar="HOST:PORT",
        help=f"of the controller ({_DEFAULT_ADDRESS}, or as configured)",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="of the mesh: its address, its certificates"
    )


def host_and_port(text: str) -> str:
    """Without a port gRPC would take that of the web."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT, as {_DEFAULT_ADDRESS} is one")
    return text


def open_client(arguments: argparse.Namespace) -> "ClusterClient":
    """Nothing is asked yet."""
    from cluster.cluster_client import ClusterClient
    from cluster.config.config_file import load_config
    from cluster.tls import tls_files

    if arguments.config is None:
        return ClusterClient(arguments.address or _DEFAULT_ADDRESS)
    config = load_config(arguments.config)
    where = config.cluster.controller
    if arguments.address is None and not where.port:
        raise ConfigError(
            f"{arguments.config} leaves the port of the controller open; name it with --address HOST:PORT"
        )
    return ClusterClient(arguments.address or f"{where.host}:{where.port}", tls_files(config))
