"""A hosted worker as a plain process, for tests: `python -m tests.cluster.worker_process JSON`."""

import json
import os
import sys
import threading
from pathlib import Path

from cluster.environment import cpu_kernel_settings, let_idle_threads_sleep

let_idle_threads_sleep()  # before anything imports torch

import torch  # noqa: E402

from cluster.config.config_file import parse_config  # noqa: E402
from cluster.controller.fleet import WorkerSpec  # noqa: E402
from cluster.hosted.make import hosted_worker  # noqa: E402
from cluster.hosted.options import HostOptions  # noqa: E402
from workers.membership.members import WorkerKind  # noqa: E402


def main() -> None:
    told = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_input, daemon=True).start()
    spec = WorkerSpec(
        told["name"],
        WorkerKind(told["kind"]),
        None if told["layers"] is None else tuple(told["layers"]),
        tuple(told["stages"]),
    )
    config = parse_config(told["config"], "test")
    options = HostOptions(Path(told["folder"]), told["node"], told["host"])
    worker = hosted_worker(config, spec, options, lambda: str(told["controller"]), cpu_kernel_settings())
    worker.start()
    worker.wait_broken()
    os._exit(1)


def _end_with_input() -> None:
    """The test that started this process has gone, one way or another."""
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
