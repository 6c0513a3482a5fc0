"""`expertmesh serve`: a model on the network, in this process or as a mesh on Ray."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.commands.note import note
from cluster.commands.serving import LOOK_EVERY_S, add_drain, add_place, placed, port
from protos.errors import ConfigError

if TYPE_CHECKING:
    from cluster.config.config import Config

MODES = ("single", "cluster")

_DESCRIPTION = """\
Serve a model over HTTP (the OpenAI API) and gRPC. Single mode is one process, with all of the model in it.
Cluster mode is a mesh on Ray: attention workers, expert workers, and a controller that looks after them; this
process is its gateway. More gateways: `expertmesh gateway`."""

_EPILOG = """\
examples:
  expertmesh serve --model gpt-oss-20b                      one process, all at their defaults
  expertmesh serve --mode cluster --config mesh.yaml        a mesh on a Ray of its own
  ray start --head && expertmesh serve --mode cluster --config mesh.yaml      with `ray: auto` in it
  expertmesh stop --config mesh.yaml                        end a mesh that runs on

Ctrl-C and SIGTERM end it in good order: what runs is finished, for as long as --drain-s allows. A second
one ends it at once. A mesh on a Ray that was there before runs on without this command; a mesh on a Ray of
its own ends with it.

Environment: HF_HOME or HF_HUB_CACHE say where pulled models lie; CUDA_VISIBLE_DEVICES which GPUs are seen;
EXPERTMESH_CPU_KERNELS which kernels a CPU uses, EXPERTMESH_CACHE where they are built, CXX with what."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "serve",
        help="serve a model, in one process or as a mesh",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="docs/config.md has all keys")
    parser.add_argument("--model", metavar="M", help="a folder, or the name of a pulled model")
    parser.add_argument("--mode", choices=MODES, default=MODES[0], help="%(default)s unless said otherwise")
    add_place(parser)
    parser.add_argument(
        "--controller-port",
        type=port,
        metavar="P",
        help="of the controller, in cluster mode; 0: any free one (cluster.controller.port: 7700)",
    )
    add_drain(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    config = _with_controller(placed(_config(arguments), arguments), arguments.controller_port)
    if arguments.mode == "single":
        _serve_here(config, arguments.drain_s)
    else:
        _serve_as_mesh(config, arguments.drain_s)


def _config(arguments: argparse.Namespace) -> "Config":
    from cluster.config.config_file import load_config, parse_config

    if arguments.config is None and arguments.model is None:
        raise ConfigError("say what to serve: --model, or --config with a file that names it")
    if arguments.config is None:
        return parse_config({"model": arguments.model}, "--model")
    config = load_config(arguments.config)
    return config if arguments.model is None else replace(config, model=arguments.model)


def _with_controller(config: "Config", port: int | None) -> "Config":
    """Listening at this port, if one was said."""
    if port is None:
        return config
    cluster = config.cluster
    return replace(config, cluster=replace(cluster, controller=replace(cluster.controller, port=port)))


def _serve_here(config: "Config", drain_s: float) -> None:
    from cluster.environment import cpu_kernel_settings, keep_freed_memory

    keep_freed_memory()
    from cluster.model_folder import find_model
    from cluster.serving.gateway_run import draining
    from cluster.single_mode import SingleMode
    from cluster.stop_signal import StopSignal

    server = SingleMode(find_model(config.model), config, cpu_kernel_settings(), note)
    try:
        server.begin()
        stop = StopSignal()
        while not stop.wait(LOOK_EVERY_S):
            server.look()
        note(draining(drain_s))
        server.drain(drain_s)
    finally:
        server.stop()


def _serve_as_mesh(config: "Config", drain_s: float) -> None:
    from cluster.environment import let_ray_keep_to_itself

    let_ray_keep_to_itself()
    from cluster.ray.mesh_host import MeshHost

    MeshHost(config, note).serve(drain_s)
