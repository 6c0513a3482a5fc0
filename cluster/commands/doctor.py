"""`expertmesh doctor`: is everything here that serving needs, what is wrong, and what to do about it?"""

import argparse
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from protos.errors import MissingExtraError

if TYPE_CHECKING:
    from cluster.config.config import Config

MODES = ("single", "cluster")

_DESCRIPTION = """\
Look at all that serving needs: packages, devices, the compiler for CPU kernels, shared memory, the model,
every byte of it, its tokenizer, whether it fits into memory, ports, and what runs already. Nothing is changed
but that CPU kernels are built, and no network is asked. What cannot be looked at is said, and no fault."""

_EPILOG = """\
examples:
  expertmesh doctor                                  the machine alone
  expertmesh doctor --model gpt-oss-20b              and a model
  expertmesh doctor --config mesh.yaml --mode cluster --quick

The exit status is 0 when nothing is wrong, 1 when something is.
Environment: as for `expertmesh serve`."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "doctor",
        help="find what is wrong, and what to do",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="docs/config.md has all keys")
    parser.add_argument("--model", metavar="M", help="a folder, or the name of a pulled model")
    parser.add_argument("--mode", choices=MODES, default=MODES[0], help="that is to be served (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="do not read every byte of the model")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if find_spec("pydantic") is None or find_spec("yaml") is None:
        raise MissingExtraError(
            "expertmesh is installed without any extra, so it can serve nothing: install it with `gateway`, "
            "`single` or `cluster`, such as pip install 'expertmesh[single]'"
        )
    from cluster.doctor.doctor import Examination, examine
    from cluster.doctor.report import as_json, as_table, is_healthy
    from cluster.environment import cpu_kernel_settings, let_ray_keep_to_itself

    let_ray_keep_to_itself()
    config = _config(arguments)
    findings = list(
        examine(
            Examination(
                config,
                has_model=arguments.model is not None or arguments.config is not None,
                is_cluster=arguments.mode == "cluster",
                reads_all=not arguments.quick,
                cpu_kernels=cpu_kernel_settings(),
            )
        )
    )
    print(as_json(findings) if arguments.json else as_table(findings, shutil.get_terminal_size().columns))
    return 0 if is_healthy(findings) else 1


def _config(arguments: argparse.Namespace) -> "Config":
    from cluster.config.config_file import load_config, parse_config

    if arguments.config is None:
        return parse_config({"model": arguments.model or "none"}, "--model")
    config = load_config(arguments.config)
    return config if arguments.model is None else replace(config, model=arguments.model)
