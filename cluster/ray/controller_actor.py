"""The controller as a detached, named Ray actor: a shell that begins it, and says where it listens.

When its process dies Ray begins it anew, perhaps elsewhere; the new one adopts the workers that are there.
"""

import logging
import os
import time

import ray

from cluster.config.config import Config
from cluster.controller.cluster_service import ClusterServer
from cluster.controller.controller import Controller
from cluster.controller.expert_care import MeshShape
from cluster.controller.wishes import Wishes
from cluster.ray.ray_fleet import RayFleet
from cluster.ray.this_node import this_node
from cluster.tls import tls_files
from protos.errors import AddressTakenError, ExpertMeshError

logger = logging.getLogger(__name__)

_PAUSE_BEFORE_NEXT_S = 2.0


class ControllerActor:
    """`wishes` are those of the configuration; what an operator has said since is remembered by the fleet."""

    def __init__(self, config: Config, shape: MeshShape, wishes: Wishes, mesh: str) -> None:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        logging.getLogger("ray.actor").setLevel(logging.ERROR)  # it warns of removing places; we do it last
        self._trouble: ExpertMeshError | None = None
        try:
            self._begin(config, shape, wishes, mesh)
        except Exception as error:
            if not ray.get_runtime_context().was_current_actor_reconstructed:
                self._trouble = error if isinstance(error, ExpertMeshError) else None
                if self._trouble is not None:
                    return  # the operator is told in its words alone
                raise
            logger.exception("the controller cannot begin; Ray begins it anew in %g s", _PAUSE_BEFORE_NEXT_S)
            time.sleep(_PAUSE_BEFORE_NEXT_S)
            os._exit(1)  # Ray gives up an actor that raises when it is made, not one whose process ends

    def _begin(self, config: Config, shape: MeshShape, wishes: Wishes, mesh: str) -> None:
        tls, where = tls_files(config), config.cluster.controller
        self._controller = Controller(RayFleet(config, mesh), shape, wishes, tls=tls)
        try:
            self._server = ClusterServer(self._controller, where.host, where.port, tls)
        except AddressTakenError as error:
            raise AddressTakenError(
                f"{error}; write another cluster.controller.port or --controller-port (0: any free one), or "
                f"end what listens there"
            ) from error
        port = self._server.address.rpartition(":")[2]
        self._address = f"{this_node().host(config)}:{port}"
        self._server.start()
        self._controller.start()

    def address(self) -> str:
        """Where others reach it, which may not be what it binds to. Raises why it could not begin."""
        if self._trouble is not None:
            raise self._trouble
        return self._address
