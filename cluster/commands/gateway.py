"""`expertmesh gateway`: a replica of the gateway alone, for a mesh that is there; no torch, ray or GPU."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.commands.mesh_address import host_and_port
from cluster.commands.note import note
from cluster.commands.serving import LOOK_EVERY_S, add_drain, add_place, placed
from protos.errors import ConfigError

if TYPE_CHECKING:
    from cluster.config.config import Config

_DESCRIPTION = """\
Serve the clients of a mesh over HTTP and gRPC: one of any number of gateways, with no weights and no GPU. It
finds the attention workers through the controller, and waits for them. Of the model's folder it reads
config.json, generation_config.json and tokenizer.json."""

_EPILOG = """\
examples:
  expertmesh gateway --config mesh.yaml                         of the mesh of this file
  expertmesh gateway --config mesh.yaml --mesh 10.0.0.1:7700    whose controller is elsewhere

Ctrl-C and SIGTERM end it in good order: it says that it is not ready, takes nothing new, and what runs is
finished, for as long as --drain-s allows. A second one ends it at once. What it needs installed is the extra
`gateway`.

Environment: HF_HOME or HF_HUB_CACHE say where pulled models lie."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "gateway",
        help="serve the clients of a mesh",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help="docs/config.md has all keys"
    )
    parser.add_argument(
        "--mesh",
        type=host_and_port,
        metavar="HOST:PORT",
        help="of the controller (cluster.controller of the configuration)",
    )
    parser.add_argument("--model", metavar="M", help="a folder, or the name of a pulled model")
    add_place(parser)
    add_drain(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from cluster.config.config_file import load_config
    from cluster.model_folder import find_model
    from cluster.serving.gateway_run import GatewayRun, draining
    from cluster.serving.mesh_side import open_on_mesh
    from cluster.serving.own_model import OwnModel
    from cluster.stop_signal import StopSignal

    config = placed(load_config(arguments.config), arguments)
    if arguments.model is not None:
        config = replace(config, model=arguments.model)
    address = arguments.mesh or _controller(config, arguments.config)
    own = OwnModel.open(find_model(config.model), config)
    gateway = GatewayRun(
        config,
        own.name,
        lambda: open_on_mesh(config, own, lambda: address),
        waits_for=f"no attention worker of the mesh whose controller is at {address} serves yet",
        note=note,
    )
    gateway.check_ports()
    stop = StopSignal()
    try:
        gateway.begin()
        note(f"waits for an attention worker of the mesh whose controller is at {address}")
        while not stop.wait(LOOK_EVERY_S):
            gateway.look()
        note(draining(arguments.drain_s))
        gateway.drain(arguments.drain_s)
    finally:
        gateway.stop()


def _controller(config: "Config", file: Path) -> str:
    where = config.cluster.controller
    if not where.port:
        raise ConfigError(f"{file} leaves the port of the controller open; name it with --mesh HOST:PORT")
    return f"{where.host}:{where.port}"
