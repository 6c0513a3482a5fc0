"""Ray's actors: shells around the controller and around hosted workers, which do nothing but begin them.

A worker's process ends when its worker cannot be made, or is of no use any more; Ray then begins it anew.
Imports nothing that imports torch: the environment must be set first.
"""

import logging
import os
import threading
import time
from pathlib import Path

import ray

from cluster.config.config import Config
from cluster.controller.cluster_service import ClusterServer
from cluster.controller.controller import Controller
from cluster.controller.expert_care import MeshShape
from cluster.controller.fleet import WorkerSpec
from cluster.controller.wishes import Wishes
from cluster.environment import cpu_kernel_settings, let_idle_threads_sleep, refuse_foreign_kernels
from cluster.model_folder import find_model
from cluster.ray.names import CONTROLLER
from cluster.ray.needs import num_threads
from cluster.ray.ray_fleet import RayFleet
from cluster.ray.this_node import this_node
from cluster.tls import tls_files

logger = logging.getLogger(__name__)

_PAUSE_BEFORE_NEXT_S = 5.0
_FIND_WITHIN_S = 5.0


class ControllerActor:
    """Detached and named; a new one goes on where the last one ended."""

    def __init__(self, config: Config, shape: MeshShape, wishes: Wishes, mesh: str) -> None:
        logging.basicConfig(level=logging.INFO)
        fleet = RayFleet(config, mesh, ray.remote(WorkerActor))
        tls, where = tls_files(config), config.cluster.controller
        self._controller = Controller(fleet, shape, wishes, tls=tls)
        server = ClusterServer(self._controller, where.host, where.port, tls)
        self._address = f"{this_node().host(config)}:{server.address.rpartition(':')[2]}"
        server.start()
        self._controller.start()
        self._server = server  # it would stop if nobody held it

    def address(self) -> str:
        return self._address


class WorkerActor:
    """It is there at once; its worker loads meanwhile."""

    def __init__(self, config: Config, spec: WorkerSpec, mesh: str) -> None:
        refuse_foreign_kernels()
        let_idle_threads_sleep()
        threading.Thread(target=_work, args=(config, spec, mesh), name="expertmesh-worker").start()

    def pid(self) -> int:
        return os.getpid()


def _work(config: Config, spec: WorkerSpec, mesh: str) -> None:
    """For as long as the worker is of use; then the process ends."""
    try:
        _host(config, spec, mesh)
    except Exception:
        logger.exception("%s cannot work; it begins anew in %g s", spec.name, _PAUSE_BEFORE_NEXT_S)
        time.sleep(_PAUSE_BEFORE_NEXT_S)
    os._exit(1)


def _host(config: Config, spec: WorkerSpec, mesh: str) -> None:
    import torch

    from cluster.hosted.make import hosted_worker
    from cluster.hosted.options import HostOptions

    node = this_node()
    torch.set_num_threads(num_threads(config, spec.kind, os.cpu_count() or 1, node.num_nodes))
    options = HostOptions(Path(find_model(config.model)), node.name, node.host(config))
    worker = hosted_worker(config, spec, options, lambda: find_controller(mesh), cpu_kernel_settings())
    worker.start()
    worker.wait_broken()


def find_controller(mesh: str) -> str:
    """Its address as of now. Raises one of Ray's errors, or ValueError, while there is none."""
    actor = ray.get_actor(CONTROLLER, namespace=mesh)
    return str(ray.get(actor.address.remote(), timeout=_FIND_WITHIN_S))
