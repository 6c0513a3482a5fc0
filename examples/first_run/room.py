"""Whether there is memory for what `make run` begins. Not here: the model's own, which `serve` looks at."""

from examples.first_run.serve_command import Mode
from protos.errors import ConfigError
from workers.cache.free_memory import free_host_bytes

_GB = 1e9
_MODE_TO_BYTES = {Mode.CLUSTER: 2.2e9, Mode.SINGLE: 0.7e9}
"""Measured with the demo model on Linux, 2.1 and 0.6 GB: most of it is PyTorch's, once for each process."""


def warning(mode: Mode, free_bytes: int | None = None) -> str | None:
    """In words, if it may not do; `free_bytes` is of this machine if nothing is said."""
    free = _free_here() if free_bytes is None else free_bytes
    needed = _MODE_TO_BYTES[mode]
    if free is None or free >= needed:
        return None
    advice = (
        f"end something, or try MODE=single, which takes {_MODE_TO_BYTES[Mode.SINGLE] / _GB:.1f} GB"
        if mode is Mode.CLUSTER
        else "end something"
    )
    return f"{free / _GB:.1f} GB of memory are free and it takes {needed / _GB:.1f}, so it may fail: {advice}"


def _free_here() -> int | None:
    """None where nothing says it."""
    try:
        return free_host_bytes()
    except ConfigError:
        return None
