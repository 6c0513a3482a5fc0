"""Small programs that show the product at work; each runs with `python -m examples.NAME`."""

from cluster.environment import let_idle_threads_sleep

let_idle_threads_sleep()  # before the program imports torch
