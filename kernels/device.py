"""Which tensors go to the kernels of `kernels/gpu`: the one question that public functions ask.

Every function here has a plain torch form, which serves all others; Triton is imported only behind this
question.
"""

import os

from torch import Tensor


def takes_gpu_kernels(tensor: Tensor) -> bool:
    """Those on a GPU. All, when Triton is told to interpret its kernels on the CPU (its own variable)."""
    return tensor.is_cuda or os.environ.get("TRITON_INTERPRET") == "1"
