"""A kernel's launch as a value: what would run, on what, with which constants.

Launchers return it and `run` makes it so. Between the two stands the gate that compiles ahead of time
(tests/kernels/gpu): it sees exactly what a GPU would be given, without having one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Warps:
    """How a program is spread: threads in groups of 32, and how many loads of a loop are in flight."""

    num_warps: int
    num_stages: int


@dataclass(frozen=True, slots=True)
class Launch:
    """One call of a `@triton.jit` function."""

    kernel: triton.JITFunction
    grid: tuple[int, ...]
    arguments: Mapping[str, Tensor | int | float]
    constants: Mapping[str, object]
    warps: Warps

    def run(self) -> None:
        if all(self.grid):
            options = {"num_warps": self.warps.num_warps, "num_stages": self.warps.num_stages}
            self.kernel[self.grid](**self.arguments, **self.constants, **options)


def interpreted() -> bool:
    """Whether Triton interprets the kernels on the CPU (TRITON_INTERPRET=1 when it was imported)."""
    return bool(triton.knobs.runtime.interpret)


def operand_type(tensor: Tensor) -> tl.dtype:
    """What `tl.dot` is given for values that lie in memory as `tensor` does.

    The interpreter computes wrongly in bfloat16, so there everything is widened first.
    """
    if tensor.dtype == torch.float32 or interpreted():
        return tl.float32
    assert tensor.dtype == torch.bfloat16, tensor.dtype
    return tl.bfloat16
