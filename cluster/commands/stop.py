"""`expertmesh stop`: end a mesh that runs on a Ray that stays."""

import argparse
from pathlib import Path

_DESCRIPTION = """\
End a mesh at once: its controller, then its workers. Requests that run are lost to their gateways.
Ray itself stays. A mesh whose `cluster.ray` is `start` ends with its `expertmesh serve` instead."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("stop", help="end a mesh on a Ray that stays", description=_DESCRIPTION)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="of the mesh")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from cluster.config.config_file import load_config
    from cluster.environment import let_ray_keep_to_itself

    config = load_config(arguments.config)
    let_ray_keep_to_itself()
    from cluster.ray.end_mesh import end_mesh

    print(f"the mesh {config.cluster.name} has ended: {end_mesh(config)} workers")
