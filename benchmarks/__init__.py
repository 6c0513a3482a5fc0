"""Measurements against peers and limits; `python -m benchmarks.NAME [--quick] --json F` runs one."""

from cluster.environment import keep_freed_memory, let_idle_threads_sleep

let_idle_threads_sleep()  # before the benchmark imports torch
keep_freed_memory()
