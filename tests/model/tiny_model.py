"""A model small enough for any test, with sizes that differ on every axis, so that swapped axes show."""

import torch

from model.checkpoint.assembly import find_weight
from model.checkpoint.weight_names import every_weight
from model.config import ModelConfig, alternating_layers
from model.config.weight_shapes import EXPERT_WEIGHTS
from model.weights import ModelWeights, Selection

TINY = ModelConfig(
    vocab_size=211,
    hidden_size=96,
    intermediate_size=160,
    head_dim=12,
    num_query_heads=6,
    num_kv_heads=2,
    num_experts=7,
    experts_per_token=4,
    layer_kinds=alternating_layers(5),
)

SLICE = Selection(
    attention_layers=(4, 1),
    layer_to_experts={0: (5,), 3: (4, 5, 2, 3, 0), 2: ()},
    unembedding=True,
)
"""Out of order, with runs, with holes, with a layer of no experts, and without the embedding."""


def assert_slice_of(whole: ModelWeights, found: ModelWeights, selection: Selection) -> None:
    """`found` holds what was selected, bit for bit, and nothing else."""
    assert tuple(found.attention) == selection.attention_layers
    assert {
        layer: experts.expert_ids for layer, experts in found.experts.items()
    } == selection.layer_to_experts
    assert (found.embedding is not None) == selection.embedding
    assert (found.unembedding is not None) == selection.unembedding
    for weight in every_weight(TINY):
        tensor = find_weight(found, weight)
        expected = find_weight(whole, weight)
        if tensor is None:
            continue
        assert expected is not None
        if weight.name in EXPERT_WEIGHTS and weight.layer is not None:
            expected = expected[list(selection.layer_to_experts[weight.layer])]
        assert tensor.dtype == expected.dtype, weight
        assert torch.equal(tensor, expected), weight
