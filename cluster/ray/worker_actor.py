"""A worker as a detached, named Ray actor: a shell that begins a hosted worker of whatever kind.

Its process ends when its worker cannot be made, or is of no use any more; Ray then begins it anew. Imports
nothing that imports torch: the environment must be set first.
"""

import logging
import os
import threading
import time

from cluster.config.config import Config
from cluster.controller.fleet import WorkerSpec
from cluster.cores import num_cores
from cluster.environment import cpu_kernel_settings, let_idle_threads_sleep, refuse_foreign_kernels
from cluster.model_folder import find_model
from cluster.ray import memory
from cluster.ray.find_controller import find_controller
from cluster.ray.names import hindrance_key
from cluster.ray.needs import num_threads
from cluster.ray.this_node import this_node

logger = logging.getLogger(__name__)

_PAUSE_BEFORE_NEXT_S = 5.0


class WorkerActor:
    """It is there at once; its worker loads meanwhile."""

    def __init__(self, config: Config, spec: WorkerSpec, mesh: str) -> None:
        threading.Thread(target=_work, args=(config, spec, mesh), name="expertmesh-worker").start()


def _work(config: Config, spec: WorkerSpec, mesh: str) -> None:
    """For as long as the worker is of use; then the process ends."""
    try:
        _host(config, spec, mesh)
    except Exception as error:
        logger.exception("%s cannot work; it begins anew in %g s", spec.name, _PAUSE_BEFORE_NEXT_S)
        memory.remember(hindrance_key(mesh, spec.name), str(error) or repr(error))  # `status` shows it
        time.sleep(_PAUSE_BEFORE_NEXT_S)
    os._exit(1)


def _host(config: Config, spec: WorkerSpec, mesh: str) -> None:
    refuse_foreign_kernels()
    let_idle_threads_sleep()
    import torch

    from cluster.hosted.make import hosted_worker
    from cluster.hosted.options import HostOptions

    node = this_node()
    torch.set_num_threads(num_threads(config, spec.kind, num_cores(), node.num_nodes))
    options = HostOptions(find_model(config.model), node.name, node.host(config))
    worker = hosted_worker(config, spec, options, lambda: find_controller(mesh), cpu_kernel_settings())
    worker.start()
    memory.forget(hindrance_key(mesh, spec.name))
    worker.wait_broken()
