"""The `expertmesh` command: parses arguments, calls one function, prints errors as sentences.

Not here: any work. Sub-commands import what they need when they run, so `--help` is instant and a
gateway's installation never imports torch.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from cluster.commands import chat, doctor, gateway, generate, operate, plan, pull, serve, status, stop, verify
from cluster.cores import num_bound_cores, num_cores
from cluster.environment import (
    keep_threads_within_the_limit,
    let_idle_threads_sleep,
    refuse_foreign_kernels,
)
from cluster.missing_extra import missing_extra
from protos.errors import ExpertMeshError

_BROKEN_PIPE = 128 + 13


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="expertmesh", description="gpt-oss served as a mesh of experts.")
    parser.add_argument("--version", action="version", version=f"expertmesh {_version()}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    pull.add_to(commands)
    verify.add_to(commands)
    generate.add_to(commands)
    plan.add_to(commands)
    serve.add_to(commands)
    gateway.add_to(commands)
    chat.add_to(commands)
    doctor.add_to(commands)
    status.add_to(commands)
    operate.add_to(commands)
    stop.add_to(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 is success, 1 a foreseen failure, 2 wrong usage, 130 Ctrl-C, 141 a reader that left.

    A command's `run` returns its status, or None for success.
    """
    parsed = build_parser().parse_args(arguments)
    try:
        refuse_foreign_kernels()
        let_idle_threads_sleep()
        keep_threads_within_the_limit(num_cores(), num_bound_cores())
        status: int | None = parsed.run(parsed)
        sys.stdout.flush()
    except ExpertMeshError as error:
        return _failed(error)
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        return _failed(missing)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more is written at exit
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        print("expertmesh: stopped", file=sys.stderr)
        return 130
    return status or 0


def _failed(error: ExpertMeshError) -> int:
    print(f"expertmesh: {error}", file=sys.stderr)
    return 1


def _version() -> str:
    try:
        return version("expertmesh")
    except PackageNotFoundError:
        return "unknown (not installed)"
