"""`expertmesh scale`, `replicate`, `drain` and `rebalance`: what an operator says to a mesh that runs."""

import argparse
from typing import TYPE_CHECKING

from cluster.commands.mesh_address import add_address, open_client
from protos.errors import ConfigError

if TYPE_CHECKING:
    from cluster.cluster_client import ClusterClient

_SCALE = """\
Say how many workers and replicas there shall be. What is not named stays. Nothing is interrupted: experts are
loaded elsewhere before they are let go, and requests that run are finished or go on at another worker.
It holds until it is said anew; the configuration file says only what a mesh begins with."""

_REPLICATE = """\
Have so many workers at least host some experts: all of a layer, one of every layer, or a single one. It is
a rule beside what `scale --replicas` says of all experts; the largest number counts. The replicas are on
nodes of their own as far as there are nodes, and share the work."""

_REPLICATE_EPILOG = """\
examples:
  expertmesh replicate 3 --layer 5 --expert 17      a hot expert
  expertmesh replicate 2 --layer 0                  all experts of a layer
  expertmesh replicate 2 --expert 17                one in every layer
  expertmesh replicate --undo --layer 5 --expert 17

`expertmesh status` shows all rules. Environment: none."""

_DRAIN = """\
Have a worker, or all workers of a node, finish what they do and leave. Their experts are loaded elsewhere
first. `expertmesh status` shows when they are gone; --undo has them come back."""

_REBALANCE = """\
Move experts now so that load is more even, by what was measured since they were last moved. The controller
does so of itself, too, once a minute, if it is worth it."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    scale = commands.add_parser("scale", help="change how many workers a mesh has", description=_SCALE)
    scale.add_argument("--attention", type=_natural, metavar="N", help="attention workers")
    scale.add_argument("--experts", type=_natural, metavar="N", help="expert workers")
    scale.add_argument(
        "--replicas", type=_natural, metavar="N", help="workers that host each expert, at least"
    )
    add_address(scale)
    scale.set_defaults(run=run_scale)

    replicate = commands.add_parser(
        "replicate",
        help="have more workers host some experts",
        description=_REPLICATE,
        epilog=_REPLICATE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    how_many = replicate.add_mutually_exclusive_group(required=True)
    how_many.add_argument(
        "replicas", nargs="?", type=_natural, metavar="N", help="workers for each, at least"
    )
    how_many.add_argument("--undo", action="store_true", help="take the rule back")
    replicate.add_argument("--layer", type=_natural, metavar="L", help="of this layer (every layer)")
    replicate.add_argument("--expert", type=_natural, metavar="E", help="this expert (every expert)")
    add_address(replicate)
    replicate.set_defaults(run=run_replicate)

    drain = commands.add_parser("drain", help="have workers finish and leave", description=_DRAIN)
    which = drain.add_mutually_exclusive_group(required=True)
    which.add_argument("worker", nargs="?", metavar="WORKER", help="its name, as status shows it")
    which.add_argument("--node", metavar="NODE", help="all workers of this node")
    drain.add_argument("--undo", action="store_true", help="have them come back")
    add_address(drain)
    drain.set_defaults(run=run_drain)

    rebalance = commands.add_parser("rebalance", help="make load more even", description=_REBALANCE)
    rebalance.add_argument(
        "--max-loads", type=_natural, metavar="N", help="experts that are loaded for it, at most"
    )
    add_address(rebalance)
    rebalance.set_defaults(run=run_rebalance)


def _natural(text: str) -> int:
    number = int(text)  # argparse puts its ValueError into words
    if not 0 <= number < 1 << 32:
        raise argparse.ArgumentTypeError(f"{text} is not a number of workers, layers or experts")
    return number


def run_scale(arguments: argparse.Namespace) -> None:
    if arguments.attention is arguments.experts is arguments.replicas is None:
        raise ConfigError("nothing is to be changed: say --attention, --experts or --replicas")
    client = open_client(arguments)
    try:
        _scale(arguments, client)
    finally:
        client.close()


def run_replicate(arguments: argparse.Namespace) -> None:
    from router.replication import ReplicaRule, ReplicatedPart

    if arguments.layer is arguments.expert is None:
        raise ConfigError(
            "say which experts: --layer, --expert or both; for all of them there is `scale --replicas`"
        )
    part = ReplicatedPart(arguments.layer, arguments.expert)
    client = open_client(arguments)
    try:
        if arguments.undo:
            client.take_back_replication(layer=part.layer, expert=part.expert)
        else:
            client.set_replication(arguments.replicas, layer=part.layer, expert=part.expert)
    finally:
        client.close()
    print(f"{part}: the rule is taken back" if arguments.undo else ReplicaRule(part, arguments.replicas))


def run_drain(arguments: argparse.Namespace) -> None:
    client = open_client(arguments)
    try:
        change = client.undrain if arguments.undo else client.drain
        names = change(worker=arguments.worker, node=arguments.node)
    finally:
        client.close()
    print(f"{', '.join(names)}: {'may come back' if arguments.undo else 'asked to finish and leave'}")


def run_rebalance(arguments: argparse.Namespace) -> None:
    client = open_client(arguments)
    try:
        moves = client.rebalance(arguments.max_loads)
    finally:
        client.close()
    print(f"{moves.num_loads} experts move; imbalance {moves.imbalance_before:.2f} -> {moves.imbalance:.2f}")


def _scale(arguments: argparse.Namespace, client: "ClusterClient") -> None:
    """More workers before more replicas, and fewer replicas before fewer workers."""
    wants_workers = arguments.attention is not None or arguments.experts is not None
    is_fewer = arguments.replicas is not None and arguments.replicas < client.topology().replicas
    if is_fewer:
        client.set_replication(arguments.replicas)
    if wants_workers:
        attention, experts = client.scale(attention=arguments.attention, experts=arguments.experts)
        print(f"{attention} attention and {experts} expert workers")
    if arguments.replicas is not None and not is_fewer:
        client.set_replication(arguments.replicas)
    if arguments.replicas is not None:
        print(f"{arguments.replicas} replicas of each expert")
