"""Deterministic mode: the number of rows at which this machine's matmuls treat every row alike.

With that `row_tile` a sequence's logits are equal to the last bit whatever shares its batch and however its
prefill is cut (docs/adr/0005-deterministic-mode.md). The proof holds for this process: its thread count,
its library, its dtype. A tile of one row needs no proof, so there always is an answer. The CPU's own kernels
need no tile: where they compute everything the answer is 1 at once, which a process without them can keep.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from kernels.attention import rows_are_equal_in_attention
from kernels.cpu.attention_kernels import MOST_HEADS_A_GROUP
from kernels.cpu.library import load_cpu_kernels
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.linear import rows_are_equal_in_a_tile
from model.config import ModelConfig
from model.weights import ModelWeights

CANDIDATES = (16, 8, 4, 2, 1)


def deterministic_row_tile(
    config: ModelConfig, weights: ModelWeights, cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS
) -> int:
    """The largest candidate that holds for every matmul that `weights` take part in."""
    if _cpu_kernels_take(config, weights, cpu_kernels):
        return 1
    matrices, dtype = list(_one_of_each_shape(_matrices(config, weights))), weights.activations
    return next(
        tile
        for tile in CANDIDATES
        if _holds(tile, matrices, config, dtype, attention=bool(weights.attention))
    )


def row_tile_holds(row_tile: int, config: ModelConfig, weights: ModelWeights) -> bool:
    """Whether this process may use the tile that another one has found."""
    matrices = list(_one_of_each_shape(_matrices(config, weights)))
    return row_tile == 1 or _holds(
        row_tile, matrices, config, weights.activations, attention=bool(weights.attention)
    )


def expert_row_tile(config: ModelConfig, dtype: torch.dtype, device: torch.device | str) -> int:
    """The same for a process that has nothing but experts, and need not have them yet."""
    matrices = list(_one_of_each_shape(_expert_stand_ins(config, dtype, device)))
    return next(tile for tile in CANDIDATES if _holds(tile, matrices, config, dtype, attention=False))


def _cpu_kernels_take(config: ModelConfig, weights: ModelWeights, settings: CpuKernelSettings) -> bool:
    """Whether they run every matmul; experts' they take whenever they take the others."""
    if weights.device.type != "cpu" or load_cpu_kernels(settings) is None:
        return False
    are_in_bfloat16 = all(matrix.dtype is torch.bfloat16 for matrix in _stored_matrices(weights))
    return are_in_bfloat16 and config.queries_per_kv_head <= MOST_HEADS_A_GROUP


def _holds(
    row_tile: int, matrices: Sequence[Tensor], config: ModelConfig, dtype: torch.dtype, *, attention: bool
) -> bool:
    if not all(rows_are_equal_in_a_tile(matrix, row_tile, dtype) for matrix in matrices):
        return False
    return not attention or rows_are_equal_in_attention(
        config.num_kv_heads, config.queries_per_kv_head, config.head_dim, row_tile, matrices[0].device
    )


def _matrices(config: ModelConfig, weights: ModelWeights) -> Iterator[Tensor]:
    """Dense weights as they are; for the packed ones a stand-in of their shape, wherever they may be: so a
    process comes to the same tile whether it has experts or asks others for them."""
    yield from _stored_matrices(weights)
    yield from _expert_stand_ins(config, weights.activations, weights.device)


def _stored_matrices(weights: ModelWeights) -> Iterator[Tensor]:
    """Compact ones are for kernels alone, which need no tile."""
    return (matrix for matrix in weights.dense_matrices if isinstance(matrix, Tensor))


def _expert_stand_ins(
    config: ModelConfig, dtype: torch.dtype, device: torch.device | str
) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden, intermediate = config.hidden_size, config.intermediate_size
    for shape in ((2 * intermediate, hidden), (hidden, intermediate)):
        yield torch.randn(shape, generator=generator).to(device, dtype)


def _one_of_each_shape(matrices: Iterable[Tensor]) -> Iterator[Tensor]:
    seen: set[torch.Size] = set()
    for matrix in matrices:
        if matrix.shape not in seen:
            seen.add(matrix.shape)
            yield matrix
