"""How much memory a piece of work takes at its highest, in a process of its own.

The kernel counts (VmHWM of /proc/self/status, reset through /proc/self/clear_refs): anonymous and mapped
pages alike, from where the process stood after its imports. Called by benchmarks that claim a memory figure.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path


def peak_bytes(warm_up: Callable[[], object], work: Callable[[], object]) -> int:
    """Both must be importable. What `warm_up` touches (modules, threads, arenas) is not counted."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh_process:
        return fresh_process.submit(_measure, warm_up, work).result()


def _measure(warm_up: Callable[[], object], work: Callable[[], object]) -> int:
    warm_up()
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    held = work()
    taken = _peak() - before
    del held
    return taken


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
