"""Is the machine fit: devices, a compiler for the CPU kernels, shared memory, ports?

Not here: packages, the model, whether it fits into memory (`model_folder`, `room`).
"""

import os
from importlib.util import find_spec
from pathlib import Path

from cluster.config.config import Config
from cluster.cores import num_cores
from cluster.doctor.finding import Finding
from cluster.ports import check_free
from kernels.cpu.build import BuildError, build
from kernels.cpu.settings import CpuKernelSettings, CpuPath
from protos.errors import ConfigError

_LEAST_SHARED_BYTES = 128 << 20
"""Ray's object store is given 80 MB, and needs some beside it."""
_SHARED_MEMORY = Path("/dev/shm")


def check_devices(device: str | None) -> Finding:
    """`device` as configured."""
    if find_spec("torch") is None:
        return Finding.unchecked("devices", "PyTorch is not here; the extra `model` brings it")
    import torch

    cores = f"{num_cores()} cores"
    if not torch.cuda.is_available():
        if device is not None and device.startswith("cuda"):
            return Finding.wrong(
                "devices",
                f"engine.device is {device}, and this PyTorch sees no GPU",
                "install the driver, look at CUDA_VISIBLE_DEVICES, or write `device: cpu`",
            )
        return Finding.ok("devices", f"{cores}, no GPU")
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    if device is not None and ":" in device and int(device.partition(":")[2]) >= len(names):
        return Finding.wrong(
            "devices", f"engine.device is {device}, and there are {len(names)} GPUs", "write another number"
        )
    return Finding.ok("devices", f"{cores}; {', '.join(names)}")


def check_compiler(settings: CpuKernelSettings) -> Finding:
    """Builds the kernels, if that has not been done before: some seconds."""
    name = "CPU kernels"
    if settings.path is CpuPath.REFERENCE:
        return Finding.warning(
            name, "EXPERTMESH_CPU_KERNELS is reference: a hundred times slower", "unset it, but for a test"
        )
    try:
        library = build(settings.cache, settings.compiler)
    except BuildError as error:
        return Finding.warning(
            name,
            f"{error}; experts on a CPU run in PyTorch, a hundred times slower",
            "install g++ (apt-get install g++), or name a compiler with CXX; on GPUs nothing is amiss",
        )
    return Finding.ok(name, f"built: {library}")


def check_shared_memory(folder: Path = _SHARED_MEMORY) -> Finding:
    name = "shared memory"
    try:
        space = os.statvfs(folder)
    except OSError as error:
        return Finding.warning(
            name, f"{folder}: {error.strerror}", "cluster mode is slower without; mount a tmpfs there"
        )
    free = space.f_bavail * space.f_frsize
    if free < _LEAST_SHARED_BYTES:
        return Finding.warning(
            name,
            f"{folder} has {free / 1e6:.0f} MB free, and Ray wants {_LEAST_SHARED_BYTES / 1e6:.0f}",
            "give the container more, such as --shm-size=1g; single mode needs none",
        )
    return Finding.ok(name, f"{folder} has {free / 1e9:.1f} GB free")


def check_ports(config: Config) -> Finding:
    """Of what would be served; whether a gateway of ours has them is another check."""
    gateway, controller = config.gateway, config.cluster.controller
    taken = []
    for host, port, key in (
        (gateway.host, gateway.http_port, "gateway.http_port"),
        (gateway.host, gateway.grpc_port, "gateway.grpc_port"),
        (controller.host, controller.port, "cluster.controller.port"),
    ):
        try:
            check_free(host, port, key)
        except ConfigError:
            taken.append(f"{key} {port}")
    if taken:
        return Finding.warning(
            "ports",
            f"taken: {', '.join(taken)}",
            "nothing if ExpertMesh serves here; else end what listens there, or configure others",
        )
    ports = (gateway.http_port, gateway.grpc_port, controller.port)
    return Finding.ok("ports", f"{', '.join(map(str, ports))} are free")
