"""gpt-oss: the forward pass over a step batch. The same loop runs in one process and in a mesh.

    h = embed(tokens)
    each layer: h += attention(norm(h));  h += experts(route(norm(h)))
    logits = unembed(norm(h))

It keeps no state between steps: keys and values live in the cache that is passed in.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from kernels.attention import attention
from kernels.compact import Matrix
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuActivations, CpuKernelSettings
from kernels.linear import linear
from kernels.rmsnorm import add_rmsnorm, rmsnorm
from kernels.rope import RotaryTable, rotary_table
from kernels.rotate_store import rotate_and_store
from kernels.route import route
from model.config import LayerKind, ModelConfig
from model.experts import Experts
from model.kv_cache import KvCache
from model.step_batch import LayerView, StepBatch
from model.weights import AttentionLayerWeights, ModelWeights


class GptOss:
    """A model, or a stage of one: it can do what its weights hold."""

    def __init__(
        self,
        config: ModelConfig,
        weights: ModelWeights,
        experts: Experts,
        row_tile: int | None = None,
        cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS,
    ) -> None:
        self.config = config
        self._weights = weights
        self._experts = experts
        self._row_tile = row_tile
        self._cpu_kernels = cpu_kernels
        self._exact_kernels = replace(cpu_kernels, activations=CpuActivations.FLOAT32)
        self._rotary = rotary_table_of(config).to(weights.device)

    @torch.inference_mode()
    def forward(self, batch: StepBatch, cache: KvCache) -> Tensor:
        """-> logits of the tokens that want them, [outputs, vocab] float32."""
        return self.unembed(self.run_layers(self.embed(batch), self.layers, batch, cache))

    @property
    def layers(self) -> Sequence[int]:
        """Those whose attention is here, in order."""
        return sorted(self._weights.attention)

    def embed(self, batch: StepBatch) -> Tensor:
        """-> [tokens, hidden]"""
        assert self._weights.embedding is not None, "this stage holds no embedding"
        return self._weights.embedding[batch.token_ids].to(self._weights.activations)

    def run_layers(self, hidden: Tensor, layers: Sequence[int], batch: StepBatch, cache: KvCache) -> Tensor:
        """hidden: [tokens, hidden] -> [outputs, hidden]: the rows in `batch.logit_rows`, after `layers`.

        Keys and values of every token are in the cache. Nobody asks for more of the other rows in the last
        layer, so they visit no experts there.
        """
        eps = self.config.rms_norm_eps
        for layer in layers:
            weights = self._weights.attention[layer]
            normed = rmsnorm(hidden, weights.attention_norm, eps, self._cpu_kernels)
            mixed = self._attend(layer, weights, normed, batch, cache)
            if layer == layers[-1] and len(batch.logit_rows) < len(hidden):
                hidden, mixed = hidden[batch.logit_rows], mixed[batch.logit_rows]
                if len(hidden) == 0:
                    break
            attended = self._linear(mixed, weights.output.weight, weights.output.bias)
            hidden, normed = add_rmsnorm(hidden, attended, weights.moe_norm, eps, self._cpu_kernels)
            hidden = hidden + self._visit_experts(layer, weights, normed)
        return hidden

    def unembed(self, hidden: Tensor) -> Tensor:
        """hidden: [outputs, hidden] -> [outputs, vocab] float32"""
        weights = self._weights.unembedding
        assert weights is not None, "this stage holds no unembedding"
        normed = rmsnorm(hidden, weights.norm, self.config.rms_norm_eps, self._cpu_kernels)
        return self._linear(normed, weights.projection, None).float()

    def _attend(
        self, layer: int, weights: AttentionLayerWeights, normed: Tensor, batch: StepBatch, cache: KvCache
    ) -> Tensor:
        """-> [tokens, heads * head_dim]"""
        view, window = self._view(layer, batch)
        qkv = self._linear(normed, weights.qkv.weight, weights.qkv.bias)
        paged = cache.of_layer(layer)
        query = rotate_and_store(qkv, self._rotary, batch.positions, paged, view.slots, self._cpu_kernels)
        mixed = attention(
            query, paged, view.queries, weights.sinks, window, self._row_tile, self._cpu_kernels
        )
        return mixed.flatten(1)

    def _view(self, layer: int, batch: StepBatch) -> tuple[LayerView, int | None]:
        if self.config.layer_kinds[layer] is LayerKind.SLIDING:
            return batch.sliding, self.config.sliding_window
        return batch.full, None

    def _visit_experts(self, layer: int, weights: AttentionLayerWeights, normed: Tensor) -> Tensor:
        """The gate's rows are never rounded: it is small, and a rounded one would choose other experts."""
        gate = weights.gate
        gate_logits = linear(normed, gate.weight, gate.bias, self._row_tile, self._exact_kernels)
        routing = route(gate_logits, self.config.experts_per_token, self._cpu_kernels)
        return self._experts(layer, normed, routing)

    def _linear(self, x: Tensor, weight: Matrix, bias: Tensor | None) -> Tensor:
        return linear(x, weight, bias, self._row_tile, self._cpu_kernels)


def rotary_table_of(config: ModelConfig) -> RotaryTable:
    rope = config.rope
    return rotary_table(
        config.max_positions,
        config.head_dim,
        theta=rope.theta,
        factor=rope.factor,
        original_positions=rope.original_positions,
        beta_fast=rope.beta_fast,
        beta_slow=rope.beta_slow,
        truncate=rope.truncate,
    )
