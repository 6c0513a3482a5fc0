"""The command: which device, then the parts one after the other, until time is up.

What is measured stands in the modules beside this one. They import the kernels, and Triton decides at that
moment whether it interprets them, so they are imported here only after the device has been chosen.
"""

import os
import sys
from collections.abc import Sequence

import torch

from benchmarks.report import BenchmarkError, Row, run

TIME_LIMIT_S = 450.0
"""No part begins later; the longest takes some 20 s."""


def measure(quick: bool) -> Sequence[Row]:
    if quick:
        os.environ["TRITON_INTERPRET"] = "1"
    elif not torch.cuda.is_available():
        raise BenchmarkError("torch sees no GPU here; with --quick this runs dry, on the CPU")

    from benchmarks.gpu.all_parts import run_parts
    from benchmarks.gpu.stage import DryMachine, GpuMachine

    return run_parts(DryMachine() if quick else GpuMachine(), TIME_LIMIT_S)


if __name__ == "__main__":
    sys.exit(run("gpu", ["torch", "triton"], measure))
