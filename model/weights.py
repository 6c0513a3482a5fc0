"""The weights of a model, or of any slice of one, as tensors in the shapes that the forward pass wants.

Not here: files (model.checkpoint fills these) and arithmetic (kernels). Experts stay packed in MXFP4. Other
matrices may be in fewer bits than the activations, which have the dtype of norms, biases and sinks.
A slice simply lacks what was not selected: a layer absent from a mapping, an embedding that is None.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kernels.compact import Matrix
from kernels.mxfp4 import PackedMatrix
from model.config import ModelConfig


@dataclass(frozen=True, slots=True)
class DenseMatrix:
    """A linear layer with a bias."""

    weight: Matrix  # [out, in]
    bias: Tensor  # [out]


@dataclass(frozen=True, slots=True)
class ExpertMatrices:
    """The same linear layer of several experts, in MXFP4."""

    packed: PackedMatrix  # [experts, out, in]
    bias: Tensor  # [experts, out] bfloat16


@dataclass(frozen=True, slots=True)
class ExpertWeights:
    """Some experts of one layer; row i of every tensor belongs to `expert_ids[i]`."""

    expert_ids: tuple[int, ...]
    gate_up: ExpertMatrices  # out = 2 * intermediate: gate and up rows interleaved; in = hidden
    down: ExpertMatrices  # out = hidden; in = intermediate


@dataclass(frozen=True, slots=True)
class AttentionLayerWeights:
    """All of one layer but its experts: what an attention worker holds."""

    attention_norm: Tensor  # [hidden]
    qkv: DenseMatrix  # [query_width + 2 * kv_width, hidden]: queries, then keys, then values
    output: DenseMatrix  # [hidden, query_width]
    sinks: Tensor  # [num_query_heads]
    moe_norm: Tensor  # [hidden]
    gate: DenseMatrix  # [num_experts, hidden]


@dataclass(frozen=True, slots=True)
class UnembeddingWeights:
    """The final norm and the projection to the vocabulary."""

    norm: Tensor  # [hidden]
    projection: Matrix  # [vocab, hidden], no bias


@dataclass(frozen=True, slots=True)
class ModelWeights:
    """What one process holds."""

    embedding: Tensor | None  # [vocab, hidden]
    attention: Mapping[int, AttentionLayerWeights]  # by layer
    experts: Mapping[int, ExpertWeights]  # by layer
    unembedding: UnembeddingWeights | None

    @property
    def dense_matrices(self) -> Iterator[Matrix]:
        """Those that every token meets."""
        for layer in self.attention.values():
            yield from (layer.qkv.weight, layer.output.weight, layer.gate.weight)
        if self.unembedding is not None:
            yield self.unembedding.projection

    @property
    def device(self) -> torch.device:
        """Where all of them are."""
        if self.attention:
            return next(iter(self.attention.values())).sinks.device
        return next(iter(self.experts.values())).gate_up.bias.device

    @property
    def activations(self) -> torch.dtype:
        """The dtype of hidden states, keys and values."""
        if self.attention:
            return next(iter(self.attention.values())).attention_norm.dtype
        assert self.unembedding is not None, "experts alone have no hidden states"
        return self.unembedding.norm.dtype


@dataclass(frozen=True, slots=True)
class Selection:
    """Which weights a process wants: any layers' attention, any (layer, expert) pairs, either end."""

    attention_layers: tuple[int, ...] = ()
    layer_to_experts: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    embedding: bool = False
    unembedding: bool = False

    @classmethod
    def whole(cls, config: ModelConfig) -> "Selection":
        layers = tuple(range(config.num_layers))
        every_expert = tuple(range(config.num_experts))
        return cls(
            attention_layers=layers,
            layer_to_experts=dict.fromkeys(layers, every_expert),
            embedding=True,
            unembedding=True,
        )
