"""The numbers by which C++ knows dtypes (scalar_type.h) and paths (grouped_matmul.h)."""

import torch

from kernels.cpu.settings import CpuPath

PATH_TO_NUMBER = {CpuPath.AVX512: 2, CpuPath.AVX2: 1, CpuPath.PLAIN: 0}  # InstructionSet, best first
DTYPE_TO_NUMBER = {torch.float32: 0, torch.bfloat16: 1}  # ScalarType
