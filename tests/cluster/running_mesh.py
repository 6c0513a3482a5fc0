"""A whole mesh of real processes on loopback, under a controller in the test's own process."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cluster.controller.cluster_service import ClusterServer
from cluster.controller.controller import Controller, ControllerTiming
from cluster.controller.expert_care import CareTiming, MeshShape
from cluster.controller.wishes import Wishes
from model.config import ModelConfig
from tests.cluster.process_fleet import TWO_NODES, Node, ProcessFleet, ProcessOptions
from tests.cluster.traffic import Traffic
from workers.membership.members import MeshTopology, WorkerKind, WorkerState
from workers.membership.topology_watch import TopologyWatch

START_S = 90.0
TIMING = ControllerTiming(tick_s=0.05, silent_s=2.0, care=CareTiming(rebalance_every_s=3600.0))


def mesh_config(folder: Path, router: Mapping[str, object] | None = None) -> Mapping[str, object]:
    """Deterministic, and small."""
    return {
        "model": str(folder),
        "engine": {
            "device": "cpu",
            "dtype": "float32",
            "deterministic": True,
            "cache_gb": 0.02,
            "max_running": 8,
            "tokens_per_step": 64,
        },
        "cluster": {"experts": {"device": "cpu"}},
        "router": dict(router or {}),
    }


class RunningMesh:
    """`close` ends every process."""

    def __init__(
        self,
        folder: Path,
        model: ModelConfig,
        wishes: Wishes,
        *,
        router: Mapping[str, object] | None = None,
        nodes: tuple[Node, ...] = TWO_NODES,
        slots_of_worker: int | None = None,
        timing: ControllerTiming = TIMING,
    ) -> None:
        slots = slots_of_worker or model.num_layers * model.num_experts
        self._shape = MeshShape(model.num_layers, model.num_experts, slots)
        self._wishes = wishes
        self._host = nodes[0].host
        self._timing = timing
        self.fleet = ProcessFleet(ProcessOptions(folder, mesh_config(folder, router), nodes))
        self.controller, self._server = self._new_controller(0)
        self.fleet.set_controller(self._server.address)
        self.start_controller()
        self.traffic = Traffic()
        self._watch = TopologyWatch(lambda: self._server.address, self.traffic.hear)
        self._watch.start()

    @property
    def pids(self) -> dict[str, int]:
        """Of the workers' processes, as they say."""
        return {worker.name: worker.pid for worker in self.topology.workers}

    @property
    def address(self) -> str:
        """Of the controller."""
        return self._server.address

    def busy_attention(self) -> str:
        """The attention worker that has requests, once there is one."""

        def busy(topology: MeshTopology) -> list[str]:
            return [worker.name for worker in topology.workers if worker.num_running]

        self.wait_until(lambda topology: bool(busy(topology)), "busy")
        return busy(self.topology)[0]

    @property
    def epoch(self) -> int:
        placement = self.topology.placement
        assert placement is not None
        return placement.epoch

    @property
    def topology(self) -> MeshTopology:
        return self.controller.board.topology

    def start_controller(self) -> None:
        self._server.start()
        self.controller.start()

    def kill_controller(self) -> None:
        """It says nothing to anybody, and what it knew is gone."""
        self._server.stop()
        self.controller.stop()

    def replace_controller(self) -> None:
        """Another one, on the same port, that knows nothing."""
        port = int(self._server.address.rpartition(":")[2])
        self.controller, self._server = self._new_controller(port)
        self.start_controller()

    def wait_until(
        self, is_so: Callable[[MeshTopology], bool], what: str, timeout_s: float = START_S
    ) -> None:
        """Of the topology."""
        end = time.monotonic() + timeout_s
        while not is_so(self.topology):
            assert time.monotonic() < end, f"not {what} after {timeout_s:g} s: {self.topology}"
            time.sleep(0.02)

    def wait_serving(self, timeout_s: float = START_S) -> None:
        """Until every worker that shall be there serves, by the newest placement."""

        def serves(topology: MeshTopology) -> bool:
            epoch = None if topology.placement is None else topology.placement.epoch
            return epoch is not None and all(
                worker.state is WorkerState.SERVING
                and (worker.kind is WorkerKind.EXPERT or worker.epoch == epoch)
                for worker in topology.workers
            )

        self.wait_until(serves, "serving", timeout_s)

    def close(self) -> None:
        self._watch.close()
        self.traffic.close()
        self.kill_controller()  # first, or it would start again what the fleet ends
        self.fleet.close()

    def _new_controller(self, port: int) -> tuple[Controller, ClusterServer]:
        controller = Controller(self.fleet, self._shape, self._wishes, timing=self._timing)
        return controller, ClusterServer(controller, self._host, port)
