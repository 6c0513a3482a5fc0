"""An expert worker in a process of its own."""

import threading

from cluster.config.config import Config
from cluster.controller.fleet import WorkerSpec
from cluster.hosted.hosted_worker import first_announcement
from cluster.hosted.options import HostOptions, expert_options
from cluster.tls import tls_files
from kernels.cpu.settings import CpuKernelSettings
from workers.experts.from_checkpoint import expert_worker
from workers.experts.service import ExpertServer
from workers.membership.announcer import Announcer
from workers.membership.topology_watch import FindController


class HostedExpert:
    """It is told what to host by the controller, over the network."""

    def __init__(
        self,
        config: Config,
        spec: WorkerSpec,
        options: HostOptions,
        find_controller: FindController,
        cpu_kernels: CpuKernelSettings,
    ) -> None:
        tls = tls_files(config)
        worker = expert_worker(options.folder, expert_options(config, spec.name, cpu_kernels))
        self._server = ExpertServer(worker, options.host, tls=tls)
        said = first_announcement(spec, options, self._server.address, worker.settings.model)
        self._announcer = Announcer(find_controller, lambda: said, tls)

    @property
    def address(self) -> str:
        return self._server.address

    def start(self) -> None:
        self._server.start()
        self._announcer.start()

    def stop(self) -> None:
        self._announcer.close()
        self._server.stop()

    def wait_broken(self) -> None:
        """It never is: whatever a frame does to it, it goes on."""
        threading.Event().wait()
