"""Hardware by name: GPUs as their data sheets have them, links, and what gRPC itself costs.

Not here: what is done with it. Anything that is not listed can be said by flags of `expertmesh plan`.
"""

from collections.abc import Mapping

from cluster.plan.hardware import Device, Hardware, Link, Node
from protos.errors import ConfigError

GB = 10**9

GPUS: Mapping[str, Device] = {
    gpu.name.lower(): gpu
    for gpu in (
        Device("H100", 80 * GB, 3.35e12, 989e12),
        Device("H200", 141 * GB, 4.8e12, 989e12),
        Device("A100-80", 80 * GB, 2.04e12, 312e12),
        Device("B200", 180 * GB, 8.0e12, 2250e12),
        Device("L40S", 48 * GB, 0.864e12, 362e12),
        Device("RTX-4090", 24 * GB, 1.008e12, 165e12),
    )
}
"""SXM where there are several; operations are dense ones with float32 sums."""

CPU_BANDWIDTH, CPU_FLOPS = 40e9, 0.4e12
"""Of a laptop, about; a server has ten times that."""

GRPC_ROUND_TRIP_S, GRPC_BANDWIDTH = 300e-6, 1.4e9
"""Between two Python processes of one machine, measured: software, which every link pays too."""

LOCAL = Link("local", GRPC_ROUND_TRIP_S, GRPC_BANDWIDTH)
_WIRES = {  # (round trip of the wire, its bandwidth)
    "10gbe": (60e-6, 1.25e9),
    "25gbe": (40e-6, 3.1e9),
    "100gbe": (30e-6, 12.5e9),
    "infiniband": (5e-6, 50e9),
}


def link_over(name: str, wire_round_trip_s: float, wire_bandwidth: float) -> Link:
    """gRPC over this wire: both latencies, the lesser bandwidth."""
    return Link(name, GRPC_ROUND_TRIP_S + wire_round_trip_s, min(GRPC_BANDWIDTH, wire_bandwidth))


LINKS: Mapping[str, Link] = {name: link_over(name, *wire) for name, wire in _WIRES.items()}


def gpu_named(name: str) -> Device:
    wanted = name.lower().replace(" ", "-")
    if wanted not in GPUS:
        known = ", ".join(gpu.name for gpu in GPUS.values())
        raise ConfigError(
            f"the GPU {name} is not in the catalogue ({known}); take the nearest one and say --gpu-memory, "
            f"--gpu-bandwidth and --gpu-tflops"
        )
    return GPUS[wanted]


def cpu_of(memory_bytes: int) -> Device:
    return Device("cpu", memory_bytes, CPU_BANDWIDTH, CPU_FLOPS, is_gpu=False)


def uniform(num_nodes: int, gpus: tuple[Device, ...], cpu: Device, link: Link) -> Hardware:
    """So many nodes, all alike."""
    if num_nodes < 1:
        raise ConfigError(f"{num_nodes} nodes are asked for; a plan needs one at least")
    return Hardware(tuple(Node(f"node-{number}", cpu, gpus) for number in range(num_nodes)), link, LOCAL)
