"""`expertmesh status`: how a mesh stands, once or for as long as one looks."""

import argparse
import sys
import time
from typing import TYPE_CHECKING

from cluster.commands.mesh_address import add_address, open_client
from protos.errors import ControllerUnreachableError

if TYPE_CHECKING:
    from cluster.cluster_client import ClusterClient

_LOOK_AGAIN_AFTER_S = 1.0
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"

_DESCRIPTION = """\
Show every worker of a mesh: where it is, how it stands, what it holds and does.
Below the table stands what the controller is doing, if it is doing anything."""

_EPILOG = """\
examples:
  expertmesh status                              of the mesh on this machine
  expertmesh status --watch                      again whenever something changes
  expertmesh status --address 10.0.0.1:7700
  expertmesh status --config mesh.yaml           with the certificates of the mesh

The exit status is 0 when all workers serve, 3 when they do not, 1 when no controller answers.
Environment: none."""

NOT_SERVING = 3


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "status",
        help="show the workers of a mesh",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_address(parser)
    parser.add_argument("--watch", action="store_true", help="again whenever something changes")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from cluster.status_table import is_serving, status_table

    client = open_client(arguments)
    try:
        topology = client.topology()
        if not arguments.watch:
            print(status_table(topology))
            return 0 if is_serving(topology) else NOT_SERVING
        while True:
            _watch(client)
    finally:
        client.close()


def _watch(client: "ClusterClient") -> None:
    """Until the controller goes; the mesh goes on without it, and another one comes."""
    from cluster.status_table import status_table

    try:
        for topology in client.topologies():
            print(f"{_CLEAR if sys.stdout.isatty() else ''}{status_table(topology)}\n", flush=True)
    except ControllerUnreachableError as error:
        print(f"expertmesh: {error}", file=sys.stderr)
        time.sleep(_LOOK_AGAIN_AFTER_S)
