"""Measurements against peers and limits; `python -m benchmarks.NAME [--quick] --json F` runs one."""

from cluster.environment import let_idle_threads_sleep

let_idle_threads_sleep()  # before the benchmark imports torch
