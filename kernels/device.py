"""Which tensors go to the kernels of `kernels/gpu`: the one question that public functions ask.

Every function here has a plain torch form, which serves all others; Triton is imported only behind this
question.
"""

import os

import torch
from torch import Tensor

INTERPRETS = os.environ.get("TRITON_INTERPRET") == "1"
"""Triton's own variable, which it reads once too, when a kernel is defined."""


def takes_gpu_kernels(tensor: Tensor) -> bool:
    """Those on a GPU. All, when Triton is told to interpret its kernels on the CPU."""
    return tensor.is_cuda or INTERPRETS


def takes_gpu_matmuls(tensor: Tensor) -> bool:
    """Of these, the ones in bfloat16: the matrix unit cuts float32 to 10 bits, so that stays with torch."""
    return INTERPRETS or (tensor.is_cuda and tensor.dtype == torch.bfloat16)
