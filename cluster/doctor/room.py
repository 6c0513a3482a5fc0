"""Does the model fit into this machine's memory, as it is configured? The planner says.

Single mode: a whole copy on one device. Cluster mode: all workers on this machine.
"""

import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from cluster.config.config import Config
from cluster.doctor.finding import Finding
from cluster.plan.catalogue import LINKS, cpu_of, uniform
from cluster.plan.hardware import Device, Hardware
from cluster.plan.planner import plan_mesh
from cluster.plan.wanted import wanted_by
from model.config.config_file import load_config
from protos.errors import ConfigError
from workers.cache.free_memory import free_host_bytes

_GB = 1e9


def check_room(
    folder: Path, config: Config, *, is_cluster: bool, hardware: Hardware | None = None
) -> Finding:
    """`hardware`: this machine, if nothing else is said."""
    hardware = hardware or _this_machine(config)
    wanted = wanted_by(config)
    if not is_cluster:
        wanted = replace(wanted, attention=1, stages=1, experts=0, replicas=1)
    try:
        plan = plan_mesh(load_config(folder), hardware, wanted)
    except ConfigError as error:
        return Finding.wrong(
            "memory", str(error), "`expertmesh plan` says what each layout takes; a smaller cache_gb may do"
        )
    (node,) = hardware.nodes
    needed = sum(shard.num_bytes - shard.cache_bytes for shard in plan.shards)
    free = _free_bytes() if not node.gpus else None
    found = f"needs {needed / _GB:.1f} GB, and room for {plan.cache_tokens:,} tokens is left"
    if free is not None and free < needed:
        return Finding.warning(
            "memory",
            f"it fits this machine, which now has {free / _GB:.1f} GB free and needs {needed / _GB:.1f}",
            "end what takes the memory",
        )
    return Finding.ok("memory", found)


def _this_machine(config: Config) -> Hardware:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    gpus = () if config.engine.device == "cpu" else _gpus()
    return uniform(1, gpus, cpu_of(memory), LINKS["10gbe"])


def _gpus() -> tuple[Device, ...]:
    """Their speeds are not asked for."""
    if find_spec("torch") is None:
        return ()
    import torch

    if not torch.cuda.is_available():
        return ()
    known = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return tuple(Device(each.name, each.total_memory, bandwidth=1.0, flops=1.0) for each in known)


def _free_bytes() -> int | None:
    try:
        return free_host_bytes()
    except ConfigError:
        return None
