"""The numbers by which C++ knows dtypes (scalar_type.h) and paths (instruction_set.h); what it can read."""

import torch
from torch import Tensor

from kernels.cpu.settings import CpuPath

PATH_TO_NUMBER = {CpuPath.AVX512: 2, CpuPath.AVX2: 1, CpuPath.PLAIN: 0}  # InstructionSet, best first
DTYPE_TO_NUMBER = {torch.float32: 0, torch.bfloat16: 1}  # ScalarType


def can_read(tensor: Tensor) -> bool:
    """Whether activations, biases and caches like this one may be given to C++ where they lie."""
    return tensor.device.type == "cpu" and tensor.dtype in DTYPE_TO_NUMBER
