"""A stage in a process of its own: it follows the topology, as it sends its tokens to experts too."""

import threading
from dataclasses import replace

from cluster.config.config import Config
from cluster.controller.fleet import WorkerSpec
from cluster.hosted.hosted_worker import first_announcement
from cluster.hosted.options import HostOptions, stage_options
from cluster.hosted.topology_feed import experts_of
from cluster.tls import tls_files
from kernels.cpu.settings import CpuKernelSettings
from workers.attention.stage import Stage
from workers.membership.announcer import Announcer
from workers.membership.members import MeshTopology
from workers.membership.topology_watch import FindController, TopologyWatch


class HostedStage:
    """The attention worker before it opens it, and opens it anew when that one begins anew."""

    def __init__(
        self,
        config: Config,
        spec: WorkerSpec,
        options: HostOptions,
        find_controller: FindController,
        cpu_kernels: CpuKernelSettings,
    ) -> None:
        self._stage = Stage(options.folder, stage_options(config, spec, options, cpu_kernels))
        tls = tls_files(config)
        said = first_announcement(spec, options, self._stage.address, self._stage.model)
        self._announcer = Announcer(find_controller, lambda: replace(said, epoch=self._stage.epoch), tls)
        self._watch = TopologyWatch(find_controller, self._hear, tls)

    @property
    def address(self) -> str:
        return self._stage.address

    def start(self) -> None:
        self._stage.start()
        self._watch.start()
        self._announcer.start()

    def stop(self) -> None:
        self._announcer.close()
        self._watch.close()
        self._stage.stop()

    def wait_broken(self) -> None:
        """It never is: it has no state that its attention worker does not know."""
        threading.Event().wait()

    def _hear(self, topology: MeshTopology) -> None:
        experts = experts_of(topology)
        if experts is not None:
            self._stage.update(experts)
