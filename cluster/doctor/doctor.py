"""All checks, one after the other; what a check does not foresee is its finding, and the others go on.

Not here: what is checked (each in its file), how it is told (`report`). Called by `expertmesh doctor`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cluster.config.config import Config
from cluster.doctor.finding import Finding
from cluster.doctor.machine import check_compiler, check_devices, check_ports, check_shared_memory
from cluster.doctor.model_folder import check_checkpoint, check_folder, check_hashes, check_tokenizer
from cluster.doctor.packages import check_packages, check_python
from cluster.doctor.room import check_room
from cluster.doctor.running import check_gateway, check_mesh
from kernels.cpu.settings import CpuKernelSettings
from protos.errors import ExpertMeshError


@dataclass(frozen=True, slots=True)
class Examination:
    """What is to be looked at. Without a model, `config` says the rest at its defaults."""

    config: Config
    has_model: bool
    is_cluster: bool
    reads_all: bool  # every byte of the model
    cpu_kernels: CpuKernelSettings


def examine(what: Examination) -> Iterator[Finding]:
    """In the order in which things are needed."""
    config = what.config
    yield _guarded("python", check_python)
    yield _guarded("packages", lambda: check_packages(is_cluster=what.is_cluster))
    yield _guarded("devices", lambda: check_devices(config.engine.device))
    yield _guarded("CPU kernels", lambda: check_compiler(what.cpu_kernels))
    yield _guarded("shared memory", check_shared_memory)
    yield from _examine_model(what)
    yield _guarded("ports", lambda: check_ports(config))
    yield _guarded("mesh", lambda: check_mesh(config))
    yield _guarded("gateway", lambda: check_gateway(config))


def _examine_model(what: Examination) -> Iterator[Finding]:
    if not what.has_model:
        yield Finding.unchecked("model", "none was named; --model or --config does")
        return
    found, folder = check_folder(what.config)
    yield found
    if folder is None:
        return
    yield _guarded("checkpoint", lambda: check_checkpoint(folder))
    yield _guarded("tokenizer", lambda: check_tokenizer(folder, what.config))
    if what.reads_all:
        yield _guarded("hashes", lambda: check_hashes(folder))
    else:
        yield Finding.unchecked("hashes", "--quick was asked for")
    yield _guarded("memory", lambda: check_room(folder, what.config, is_cluster=what.is_cluster))


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except ExpertMeshError as error:
        return Finding.wrong(name, str(error), "its words say what to change")
    except Exception as error:
        return Finding.wrong(name, f"the check broke: {error!r}", "report it, with what this command shows")
