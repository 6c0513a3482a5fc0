"""Random weights of a whole model, made where they shall lie: 65 GB would take a CPU minutes to invent and to
send.

Not here: weights that mean the same on every machine (`model.dummy`).
"""

import torch
from torch import Tensor

from benchmarks.gpu.expert_cases import random_matrix
from benchmarks.gpu.stage import Machine
from model.config import ModelConfig
from model.experts import LocalExperts
from model.gpt_oss import GptOss
from model.gpu_experts import ArrangedExperts, ArrangedMatrices
from model.weights import AttentionLayerWeights, DenseMatrix, ModelWeights, UnembeddingWeights


def invented_model(config: ModelConfig, machine: Machine) -> GptOss:
    def values(deviation: float, *shape: int) -> Tensor:
        return torch.randn(shape, device=machine.device, dtype=machine.dtype).mul_(deviation)

    def dense(outs: int, width: int) -> DenseMatrix:
        return DenseMatrix(values(width**-0.5, outs, width), values(0.1, outs))

    def norm() -> Tensor:
        return values(0.1, config.hidden_size).add_(1)

    def matrices(outs: int, width: int) -> ArrangedMatrices:
        packed = random_matrix(config.num_experts, outs, width, machine.device)
        return ArrangedMatrices(packed, values(0.1, config.num_experts, outs))

    def experts() -> ArrangedExperts:
        hidden, intermediate = config.hidden_size, config.intermediate_size
        everyone = tuple(range(config.num_experts))
        return ArrangedExperts(everyone, matrices(2 * intermediate, hidden), matrices(hidden, intermediate))

    def attention() -> AttentionLayerWeights:
        return AttentionLayerWeights(
            attention_norm=norm(),
            qkv=dense(config.query_width + 2 * config.kv_width, config.hidden_size),
            output=dense(config.hidden_size, config.query_width),
            sinks=values(1.0, config.num_query_heads),
            moe_norm=norm(),
            gate=dense(config.num_experts, config.hidden_size),
        )

    layers = range(config.num_layers)
    weights = ModelWeights(
        embedding=values(1.0, config.vocab_size, config.hidden_size),
        attention={layer: attention() for layer in layers},
        experts={},
        unembedding=UnembeddingWeights(
            norm(), values(config.hidden_size**-0.5, config.vocab_size, config.hidden_size)
        ),
    )
    held = {layer: experts() for layer in layers}
    return GptOss(config, weights, LocalExperts(held, config.swiglu_limit, None))
