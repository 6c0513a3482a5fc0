"""How much memory a piece of work takes at its highest, in a process of its own.

The kernel counts (`benchmarks.kernel_meter`): anonymous and mapped pages alike, from where the process stood
after its imports. Called by benchmarks that claim a memory figure.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks.kernel_meter import peak_memory, reset_peak_memory
from workers.cache.free_memory import give_back_freed_memory


def peak_bytes(warm_up: Callable[[], object], work: Callable[[], object]) -> int:
    """Both must be importable.

    What `warm_up` leaves (modules, threads) is not counted; what it has freed is, once `work` takes it again.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh_process:
        return fresh_process.submit(_measure, warm_up, work).result()


def _measure(warm_up: Callable[[], object], work: Callable[[], object]) -> int:
    warm_up()
    give_back_freed_memory()
    reset_peak_memory()
    before = peak_memory()
    held = work()
    taken = peak_memory() - before
    del held
    return taken
