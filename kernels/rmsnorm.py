"""Root-mean-square norm: x / √(mean(x²) + ε) · scale, in float32, scaled before the downcast.

Reads and writes each row once: 2 · rows · hidden · bytes of x.
"""

import torch
from torch import Tensor

from kernels.cpu.row_kernels import row_kernels_for
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.device import takes_gpu_kernels


def rmsnorm(
    x: Tensor, scale: Tensor, eps: float, cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS
) -> Tensor:
    """x: [rows, hidden], scale: [hidden] -> [rows, hidden] in x's dtype."""
    if takes_gpu_kernels(x):
        from kernels.gpu import rmsnorm as on_gpu

        return on_gpu.rmsnorm(x, scale, eps)
    kernels = row_kernels_for(cpu_kernels, x, scale)
    return rmsnorm_reference(x, scale, eps) if kernels is None else kernels.rmsnorm(x, scale, eps)


def add_rmsnorm(
    x: Tensor, delta: Tensor, scale: Tensor, eps: float, cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS
) -> tuple[Tensor, Tensor]:
    """-> x + delta, and its norm; both [rows, hidden]. A kernel makes one pass over the rows."""
    if takes_gpu_kernels(x):
        from kernels.gpu import rmsnorm as on_gpu

        return on_gpu.add_rmsnorm(x, delta, scale, eps)
    kernels = row_kernels_for(cpu_kernels, x, delta, scale)
    if kernels is not None and x.dtype == delta.dtype:
        return kernels.add_rmsnorm(x, delta, scale, eps)
    total = x + delta
    return total, rmsnorm_reference(total, scale, eps)


def rmsnorm_reference(x: Tensor, scale: Tensor, eps: float) -> Tensor:
    """The definition, on every device."""
    wide = x.float()
    inverse = torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + eps)  # [rows, 1]
    return (wide * inverse * scale.float()).to(x.dtype)
