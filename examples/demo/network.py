"""gpt-oss with gradients, in plain torch: the same formulas as `model.gpt_oss`, without a cache.

Products are in bfloat16, or float32 on demand, everything else in float32; the experts' matrices are rounded
to MXFP4 in every step. Not here: how experts are run (`trained_experts`) and what becomes of the weights
(`export`). `training` calls it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from examples.demo.batches import Batch
from examples.demo.fake_quantisation import as_mxfp4
from examples.demo.trained_experts import Visits, run_experts
from kernels.rope import RotaryTable
from model.config import LayerKind, ModelConfig
from model.gpt_oss import rotary_table_of

_FAST_ROTATIONS = 6  # of those of a head's pairs: enough to tell neighbours apart, far and near
_LOOK = 5.0  # makes the score of the wanted distance 4.8 above its neighbours'
_CONTENT = 0.2


@dataclass(frozen=True, slots=True)
class Output:
    logits: Tensor  # [R, vocab] float32
    imbalance: Tensor  # mean of the layers: 1 when every expert has the same share of tokens and of weight
    loads: Tensor  # [layers, experts]: share of the assignments


class TrainedLayer(nn.Module):
    """One layer's weights; matrices are [out, in]."""

    def __init__(self, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__()
        hidden, wide, experts = config.hidden_size, config.intermediate_size, config.num_experts
        qkv_width = config.query_width + 2 * config.kv_width
        small = 0.5 / math.sqrt(2 * config.num_layers)

        def matrix(*shape: int, scale: float = 0.5) -> nn.Parameter:
            deviation = scale / math.sqrt(shape[-1])
            return nn.Parameter(torch.randn(shape, generator=generator) * deviation)

        self.attention_norm = nn.Parameter(torch.ones(hidden))
        self.qkv = matrix(qkv_width, hidden)
        self.qkv_bias = nn.Parameter(torch.zeros(qkv_width))
        self.output = matrix(hidden, config.query_width, scale=small)
        self.output_bias = nn.Parameter(torch.zeros(hidden))
        self.sinks = nn.Parameter(torch.zeros(config.num_query_heads))
        self.moe_norm = nn.Parameter(torch.ones(hidden))
        self.gate = matrix(experts, hidden, scale=0.5)
        self.gate_bias = nn.Parameter(torch.zeros(experts))
        self.gate_up = matrix(experts, 2 * wide, hidden)  # gate rows, then up rows
        self.gate_up_bias = nn.Parameter(torch.zeros(experts, 2 * wide))
        self.down = matrix(experts, hidden, wide, scale=small)
        self.down_bias = nn.Parameter(torch.zeros(experts, hidden))


class TrainedNetwork(nn.Module):
    """The whole model."""

    def __init__(self, config: ModelConfig, seed: int, products: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.config = config
        self._products = products
        self._rotary = rotary_table_of(config)
        self.embedding = nn.Parameter(
            torch.randn(config.vocab_size, config.hidden_size, generator=generator) * 0.3
        )
        self.layers = nn.ModuleList(TrainedLayer(config, generator) for _ in range(config.num_layers))
        _look_back(self.trained_layers[0], config, self._rotary)
        self.norm = nn.Parameter(torch.ones(config.hidden_size))
        # From the same directions as the embedding, so that a token which is attended to can be said at once.
        self.unembedding = nn.Parameter(self.embedding.detach() * 0.1)

    @property
    def trained_layers(self) -> Sequence[TrainedLayer]:
        """`layers`, of which torch does not say what they are."""
        return [cast(TrainedLayer, layer) for layer in self.layers]

    def forward(self, batch: Batch) -> Output:
        hidden = nn.functional.embedding(batch.token_ids, self.embedding)  # [N, hidden]
        cos = self._rotary.cos[batch.positions][:, None]  # [N, 1, head_dim / 2]
        sin = self._rotary.sin[batch.positions][:, None]
        imbalances, loads = [], []
        for layer, kind in zip(self.trained_layers, self.config.layer_kinds, strict=True):
            window = self.config.sliding_window if kind is LayerKind.SLIDING else None
            normed = self._rmsnorm(hidden, layer.attention_norm)
            hidden = hidden + self._attend(layer, normed, batch, (cos, sin), window)
            moved, imbalance, load = self._visit_experts(layer, self._rmsnorm(hidden, layer.moe_norm), batch)
            hidden = hidden + moved
            imbalances.append(imbalance)
            loads.append(load)
        normed = self._rmsnorm(hidden[batch.rows], self.norm)
        logits = self._linear(normed, self.unembedding).float()
        return Output(logits, torch.stack(imbalances).mean(), torch.stack(loads))

    def _rmsnorm(self, x: Tensor, scale: Tensor) -> Tensor:
        return nn.functional.rms_norm(x, (x.shape[-1],), scale, self.config.rms_norm_eps)

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        dtype = self._products
        return linear(x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype))

    def _attend(
        self,
        layer: TrainedLayer,
        normed: Tensor,
        batch: Batch,
        rotary: tuple[Tensor, Tensor],
        window: int | None,
    ) -> Tensor:
        config = self.config
        qkv = self._linear(normed, layer.qkv, layer.qkv_bias).float()
        heads = qkv.view(len(qkv), -1, config.head_dim)  # [N, heads, head_dim]
        num_rotated = config.num_query_heads + config.num_kv_heads
        rotated = _rotate(heads[:, :num_rotated], *rotary)
        query, key = torch.split(rotated, [config.num_query_heads, config.num_kv_heads], dim=1)
        query, key = (query * config.head_dim**-0.5).to(self._products), key.to(self._products)
        value = heads[:, num_rotated:].to(self._products)
        sizes = [count * length for count, length in batch.group_shapes]
        groups = zip(
            batch.group_shapes, *(torch.split(part, sizes) for part in (query, key, value)), strict=True
        )
        mixed = torch.cat([_attention(shape, q, k, v, layer.sinks, window) for shape, q, k, v in groups])
        return self._linear(mixed, layer.output, layer.output_bias).float()

    def _visit_experts(
        self, layer: TrainedLayer, normed: Tensor, batch: Batch
    ) -> tuple[Tensor, Tensor, Tensor]:
        """-> what is added, imbalance, the share of each expert."""
        config, dtype = self.config, self._products
        gate_logits = linear(normed, layer.gate, layer.gate_bias)  # [N, experts]
        best = torch.topk(gate_logits, config.experts_per_token, dim=-1)
        weights = torch.softmax(best.values, dim=-1)
        moved = run_experts(
            normed.to(dtype),
            Visits.of(best.indices, config.num_experts),
            weights,
            (as_mxfp4(layer.gate_up, dtype), layer.gate_up_bias.to(dtype)),
            (as_mxfp4(layer.down, dtype), layer.down_bias.to(dtype)),
            config.swiglu_limit,
        )
        chosen = best.indices[batch.is_real].flatten()
        load = torch.bincount(chosen, minlength=config.num_experts) / len(chosen)  # [experts]
        wanted = torch.softmax(gate_logits[batch.is_real], dim=-1).mean(dim=0)  # [experts]
        return moved, config.num_experts * (load * wanted).sum(), load


@torch.no_grad()
def _look_back(layer: TrainedLayer, config: ModelConfig, rotary: RotaryTable) -> None:
    """The query heads of the layer's first key head begin by attending to the token one, two, three … places
    before.

    To copy, a layer must find where the present token stood before, and take what followed it; for that each
    token must know what it follows. Networks come to that by themselves, but late.
    """
    half, group = config.head_dim // 2, config.num_query_heads // config.num_kv_heads
    fast = min(_FAST_ROTATIONS, half)
    weights = layer.qkv.view(-1, config.head_dim, config.hidden_size)  # by heads: queries, then keys, values
    biases = layer.qkv_bias.view(-1, config.head_dim)
    key = config.num_query_heads
    for places, head in ((0, key), *enumerate(range(group), start=1)):
        weights[head] *= _CONTENT  # what the tokens are matters little to these heads
        # A query whose bias is turned back by so many places agrees best with the key so far before it.
        biases[head, :fast] = _LOOK * rotary.cos[places, :fast] / rotary.cos[0, :fast]
        biases[head, half : half + fast] = -_LOOK * rotary.sin[places, :fast] / rotary.cos[0, :fast]


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def _attention(
    shape: tuple[int, int], query: Tensor, key: Tensor, value: Tensor, sinks: Tensor, window: int | None
) -> Tensor:
    """Of one group. query: [count * length, heads, head_dim], scaled -> [count * length, heads * head_dim]"""
    count, length = shape
    num_heads, head_dim = query.shape[1:]
    num_kv = key.shape[1]
    q = (
        query.view(count, length, num_kv, -1, head_dim)
        .permute(0, 2, 3, 1, 4)
        .reshape(count, num_kv, -1, head_dim)
    )
    # The sink is one more key of zeros, whose score is the sink's alone, with a value of zeros.
    k = nn.functional.pad(key.view(count, length, num_kv, head_dim).transpose(1, 2), (0, 0, 0, 1))
    v = nn.functional.pad(value.view(count, length, num_kv, head_dim).transpose(1, 2), (0, 0, 0, 1))
    scores = (q @ k.mT).view(count, num_heads, length, length + 1) + _bias(length, sinks, window).to(q.dtype)
    weights = torch.softmax(scores, dim=-1).view(count, num_kv, -1, length + 1)
    mixed = (weights @ v).view(count, num_heads, length, head_dim)
    return mixed.transpose(1, 2).reshape(count * length, -1)


def _bias(length: int, sinks: Tensor, window: int | None) -> Tensor:
    """[heads, length, length + 1]: 0 where a query (row) sees a key, else minus infinity; then its sink."""
    position = torch.arange(length)
    distance = position[:, None] - position
    is_seen = (distance >= 0) & (distance < (window or length))
    hidden = torch.zeros(length, length).masked_fill(~is_seen, -torch.inf)
    of_sinks = sinks[:, None, None].expand(-1, length, 1)
    return torch.cat((hidden.expand(len(sinks), -1, -1), of_sinks), dim=-1)
