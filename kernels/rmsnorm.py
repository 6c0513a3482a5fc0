"""Root-mean-square norm: x / √(mean(x²) + ε) · scale, in float32, scaled before the downcast.

Reads and writes each row once: 2 · rows · hidden · bytes of x.
"""

import torch
from torch import Tensor

from kernels.device import takes_gpu_kernels


def rmsnorm(x: Tensor, scale: Tensor, eps: float) -> Tensor:
    """x: [rows, hidden], scale: [hidden] -> [rows, hidden] in x's dtype."""
    if takes_gpu_kernels(x):
        from kernels.gpu import rmsnorm as on_gpu

        return on_gpu.rmsnorm(x, scale, eps)
    return rmsnorm_reference(x, scale, eps)


def add_rmsnorm(x: Tensor, delta: Tensor, scale: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """-> x + delta, and its norm; both [rows, hidden]. On a GPU it is one pass over the rows."""
    if takes_gpu_kernels(x):
        from kernels.gpu import rmsnorm as on_gpu

        return on_gpu.add_rmsnorm(x, delta, scale, eps)
    total = x + delta
    return total, rmsnorm_reference(total, scale, eps)


def rmsnorm_reference(x: Tensor, scale: Tensor, eps: float) -> Tensor:
    """The definition, on every device."""
    wide = x.float()
    inverse = torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + eps)  # [rows, 1]
    return (wide * inverse * scale.float()).to(x.dtype)
