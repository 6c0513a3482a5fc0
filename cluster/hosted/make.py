"""The hosted worker of a spec."""

from cluster.config.config import Config
from cluster.controller.fleet import WorkerSpec
from cluster.hosted.hosted_attention import HostedAttention
from cluster.hosted.hosted_expert import HostedExpert
from cluster.hosted.hosted_stage import HostedStage
from cluster.hosted.hosted_worker import HostedWorker
from cluster.hosted.options import HostOptions
from kernels.cpu.settings import CpuKernelSettings
from workers.membership.members import WorkerKind
from workers.membership.topology_watch import FindController


def hosted_worker(
    config: Config,
    spec: WorkerSpec,
    options: HostOptions,
    find_controller: FindController,
    cpu_kernels: CpuKernelSettings,
) -> HostedWorker:
    """Not started yet."""
    match spec.kind:
        case WorkerKind.EXPERT:
            return HostedExpert(config, spec, options, find_controller, cpu_kernels)
        case WorkerKind.ATTENTION:
            return HostedAttention(config, spec, options, find_controller, cpu_kernels)
        case WorkerKind.STAGE:
            return HostedStage(config, spec, options, find_controller, cpu_kernels)
