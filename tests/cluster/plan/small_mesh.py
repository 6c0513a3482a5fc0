"""Small hardware for the tests of plans: devices whose memory and speeds are easy to reckon with."""

from cluster.plan.hardware import Device, Hardware, Link, Node
from workers.engine.settings import EngineSettings

MB = 1_000_000
LINK = Link("wire", 2e-3, 1e6)
LOCAL = Link("local", 1e-3, 4e6)
SMALL_STEPS = EngineSettings(max_running=4, tokens_per_step=16, spare_logits=4, page_size=4)


def gpu(memory_mb: float) -> Device:
    return Device("small", int(memory_mb * MB), 1e9, 1e12)


def cpu(memory_mb: float) -> Device:
    return Device("cpu", int(memory_mb * MB), 1e8, 1e10, is_gpu=False)


def hardware(*gpus_of_nodes: int, memory_mb: float = 1200.0) -> Hardware:
    """So many GPUs on each node, all alike."""
    nodes = tuple(
        Node(f"n{number}", cpu(3000), (gpu(memory_mb),) * count) for number, count in enumerate(gpus_of_nodes)
    )
    return Hardware(nodes, LINK, LOCAL)
