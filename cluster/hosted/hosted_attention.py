"""An attention worker in a process of its own: it waits for its stages, and follows the topology."""

import threading
from dataclasses import replace

from cluster.config.config import Config
from cluster.controller.fleet import WorkerSpec
from cluster.hosted.hosted_worker import first_announcement
from cluster.hosted.options import HostOptions, engine_options, exchange_settings, row_settings
from cluster.hosted.topology_feed import experts_of
from cluster.tls import tls_files
from kernels.cpu.settings import CpuKernelSettings
from protos.errors import StageLostError
from workers.attention.attention_worker import AttentionWorker, AttentionWorkerOptions
from workers.membership.announcer import Announcer
from workers.membership.members import Announcement, MeshTopology, WorkerState
from workers.membership.topology_watch import FindController, TopologyWatch

_STAGES_WITHIN_S = 3600.0
"""They load their weights meanwhile."""


class HostedAttention:
    """It breaks with its engine: then its requests are told so, and its process should begin anew."""

    def __init__(
        self,
        config: Config,
        spec: WorkerSpec,
        options: HostOptions,
        find_controller: FindController,
        cpu_kernels: CpuKernelSettings,
    ) -> None:
        tls = tls_files(config)
        self._heard = threading.Condition()
        self._topology = MeshTopology()
        self._worker: AttentionWorker | None = None
        self._watch = TopologyWatch(find_controller, self._hear, tls)
        self._watch.start()
        self._worker = AttentionWorker(
            options.folder,
            AttentionWorkerOptions(
                name=spec.name,
                engine=engine_options(config, cpu_kernels),
                exchange=exchange_settings(config),
                rows=row_settings(config),
                first_layers=None if spec.layers is None else len(spec.layers),
                stages=self._addresses_of(spec.stages),
                host=options.host,
                tls=tls,
            ),
        )
        self._said = first_announcement(spec, options, self._worker.address, self._worker.model)
        self._announcer = Announcer(find_controller, self._describe, tls)
        self._hear(self._topology)

    @property
    def address(self) -> str:
        assert self._worker is not None
        return self._worker.address

    def start(self) -> None:
        assert self._worker is not None
        self._worker.start()
        self._announcer.start()

    def stop(self) -> None:
        assert self._worker is not None
        self._announcer.close()
        self._watch.close()
        self._worker.stop()

    def wait_broken(self) -> None:
        assert self._worker is not None
        self._worker.engine.wait_ended()

    def _hear(self, topology: MeshTopology) -> None:
        with self._heard:
            self._topology = topology
            self._heard.notify_all()
        experts = experts_of(topology)
        if experts is not None and self._worker is not None:
            self._worker.update(experts)

    def _addresses_of(self, stages: tuple[str, ...]) -> tuple[str, ...]:
        """Waits until all of them are there."""

        def found() -> list[str]:
            there = {
                worker.name: worker.address
                for worker in self._topology.workers
                if worker.state is not WorkerState.LOST
            }
            return [address for stage in stages if (address := there.get(stage)) is not None]

        with self._heard:
            if not self._heard.wait_for(lambda: len(found()) == len(stages), _STAGES_WITHIN_S):
                raise StageLostError(f"of the stages {', '.join(stages)} not all have come")
            return tuple(found())

    def _describe(self) -> Announcement:
        assert self._worker is not None
        load = self._worker.engine.load
        return replace(
            self._said, epoch=self._worker.epoch, num_running=load.num_running, num_waiting=load.num_waiting
        )
