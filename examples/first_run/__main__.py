"""`python -m examples.first_run`: reads what is wanted; what goes wrong is a sentence, and status 1."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cluster.commands.serving import port
from examples.first_run.first_run import FirstRun
from examples.first_run.ports import choose_ports
from examples.first_run.serve_command import DEMO, Mode, ServeCommand
from examples.first_run.stop_signals import end_at_signals
from protos.errors import ExpertMeshError


def main(arguments: Sequence[str] | None = None) -> int:
    """It ends by SystemExit with status 0 when a signal has come."""
    wanted = _parser().parse_args(arguments)
    end_at_signals()
    try:
        ports = choose_ports(wanted.http_port, wanted.grpc_port, wanted.controller_port)
        FirstRun(ServeCommand(Mode(wanted.mode), wanted.model, ports), sys.stdout).run()
    except ExpertMeshError as error:
        print(f"\nmake run: {error}", file=sys.stderr)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more is written at exit
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.first_run",
        description="Begin a server, ask it three questions, and leave it running until Ctrl-C.",
    )
    parser.add_argument("--mode", choices=[*Mode], default=Mode.CLUSTER, help="(%(default)s)")
    parser.add_argument("--model", type=Path, default=DEMO, metavar="FOLDER", help="(%(default)s)")
    parser.add_argument("--http-port", type=port, metavar="P", help="(8000; if it is taken, any free one)")
    parser.add_argument("--grpc-port", type=port, metavar="P", help="(8001; if it is taken, any free one)")
    parser.add_argument("--controller-port", type=port, metavar="P", help="(7700; or any free one)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
