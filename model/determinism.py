"""Deterministic mode: the number of rows at which this machine's matmuls treat every row alike.

With that `row_tile` a sequence's logits are equal to the last bit whatever shares its batch and however its
prefill is cut (docs/adr/0005-deterministic-mode.md). The proof holds for this process: its thread count,
its library, its dtype. A tile of one row needs no proof, so there always is an answer.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from kernels.attention import rows_are_equal_in_attention
from kernels.linear import rows_are_equal_in_a_tile
from model.config import ModelConfig
from model.weights import ModelWeights

CANDIDATES = (16, 8, 4, 2, 1)


def deterministic_row_tile(config: ModelConfig, weights: ModelWeights, dtype: torch.dtype) -> int:
    """The largest candidate that holds for every matmul that `weights` take part in."""
    matrices = list(_one_of_each_shape(_matrices(config, weights, dtype)))
    return next(
        tile for tile in CANDIDATES if _holds(tile, matrices, config, attention=bool(weights.attention))
    )


def row_tile_holds(row_tile: int, config: ModelConfig, weights: ModelWeights, dtype: torch.dtype) -> bool:
    """Whether this process may use the tile that another one has found."""
    matrices = list(_one_of_each_shape(_matrices(config, weights, dtype)))
    return _holds(row_tile, matrices, config, attention=bool(weights.attention))


def expert_row_tile(config: ModelConfig, dtype: torch.dtype, device: torch.device | str) -> int:
    """The same for a process that has nothing but experts, and need not have them yet."""
    matrices = list(_one_of_each_shape(_expert_stand_ins(config, dtype, device)))
    return next(tile for tile in CANDIDATES if _holds(tile, matrices, config, attention=False))


def _holds(row_tile: int, matrices: Sequence[Tensor], config: ModelConfig, *, attention: bool) -> bool:
    if not all(rows_are_equal_in_a_tile(matrix, row_tile) for matrix in matrices):
        return False
    return not attention or rows_are_equal_in_attention(
        config.num_kv_heads, config.queries_per_kv_head, config.head_dim, row_tile, matrices[0].device
    )


def _matrices(config: ModelConfig, weights: ModelWeights, dtype: torch.dtype) -> Iterator[Tensor]:
    """Dense weights as they are; for the packed ones a stand-in of their shape, wherever they may be: so a
    process comes to the same tile whether it has experts or asks others for them."""
    for layer in weights.attention.values():
        yield from (layer.qkv.weight, layer.output.weight, layer.gate.weight)
    if weights.unembedding is not None:
        yield weights.unembedding.projection
    yield from _expert_stand_ins(config, dtype, weights.device)


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
