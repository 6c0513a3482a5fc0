from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor

from kernels.compact import stored
from model.checkpoint.assembly import find_weight
from model.checkpoint.weight_names import every_weight
from model.checkpoint.writer import write_checkpoint
from model.config import ModelConfig, alternating_layers
from model.config.weight_shapes import PACKED, SCALES, WeightName
from model.dummy import dummy_weights
from tests.model.tiny_model import SLICE, TINY, assert_slice_of

NORMS = (WeightName.ATTENTION_NORM, WeightName.MOE_NORM, WeightName.FINAL_NORM)


def test_a_slice_is_the_same_slice_of_the_whole() -> None:
    assert_slice_of(dummy_weights(TINY, 3), dummy_weights(TINY, 3, SLICE), SLICE)


def test_a_seed_is_a_model() -> None:
    one, again, other = (dummy_weights(TINY, seed) for seed in (3, 3, 4))
    for weight in every_weight(TINY):
        first, second, third = (find_weight(weights, weight) for weights in (one, again, other))
        assert first is not None
        assert second is not None
        assert third is not None
        assert torch.equal(first, second), weight
        assert not torch.equal(first, third), weight


def test_no_layer_and_no_expert_is_like_another() -> None:
    weights = dummy_weights(TINY, 3)
    blocks = torch.cat([experts.gate_up.packed.blocks.flatten(1) for experts in weights.experts.values()])
    assert len(set(map(tuple, blocks.tolist()))) == 5 * 7
    queries = torch.stack(
        [stored(attention.qkv.weight).flatten() for attention in weights.attention.values()]
    )
    assert len(set(map(tuple, queries.tolist()))) == 5


def num_distinct(tensor: Tensor) -> int:
    return len(set(tensor.flatten().tolist()))


def test_nothing_is_trivial() -> None:
    """Every bias, sink and norm scale has something to say, and scales differ from block to block."""
    weights = dummy_weights(TINY, 3)
    for weight in every_weight(TINY):
        tensor = find_weight(weights, weight)
        assert tensor is not None
        if weight.name in SCALES:
            assert num_distinct(tensor) == 4
            assert 100 < int(tensor.min()) <= int(tensor.max()) < 127
        elif weight.name in PACKED:
            assert num_distinct(tensor) == 256
        else:
            assert tensor.isfinite().all()
            assert (tensor != 0).all(), weight
            mean = 1.0 if weight.name in NORMS else 0.0
            deviation = float(tensor.double().std())
            assert float(tensor.double().mean()) == pytest.approx(
                mean, abs=5 * deviation / tensor.numel() ** 0.5
            )
            assert num_distinct(tensor) > min(tensor.numel() // 2, 100), weight


@pytest.mark.parametrize(
    "config",
    [
        replace(TINY, layer_kinds=alternating_layers(36)),
        replace(TINY, hidden_size=288, intermediate_size=32),
    ],
)
def test_activations_neither_blow_up_nor_vanish(tmp_path: Path, config: ModelConfig) -> None:
    """By the reference implementation: every layer adds something, and none drowns the others."""
    write_checkpoint(config, dummy_weights(config, 3), tmp_path)
    model = transformers.GptOssForCausalLM.from_pretrained(
        tmp_path,
        quantization_config=transformers.Mxfp4Config(dequantize=True),
        dtype=torch.float32,
        attn_implementation="eager",
    )
    tokens = torch.arange(0, 211, 5).unsqueeze(0)  # [1, tokens]
    with torch.no_grad():
        output = model(tokens, output_hidden_states=True)
    residual = torch.stack(output.hidden_states[:-1]).square().mean((1, 2, 3)).sqrt()  # [layers]
    added = torch.stack(output.hidden_states[:-1]).diff(dim=0).square().mean((1, 2, 3)).sqrt()  # [layers - 1]
    assert residual.min() > 0.5
    assert residual.max() < 20
    assert added.min() > 0.2
    assert added.max() < 5
    assert 0.3 < output.logits.std() < 3


def test_activations_in_float32_change_vectors_and_no_value() -> None:
    narrow, wide = dummy_weights(TINY, 3), dummy_weights(TINY, 3, dtype=torch.float32)
    for weight in every_weight(TINY):
        tensor, expected = find_weight(wide, weight), find_weight(narrow, weight)
        assert tensor is not None
        assert expected is not None
        is_vector = tensor.dim() == 1
        assert tensor.dtype == (torch.float32 if is_vector else expected.dtype), weight
        assert torch.equal(tensor, expected.to(tensor.dtype)), weight
