from math import prod

import pytest

from model.checkpoint.weight_names import Weight, every_weight
from model.config import GPT_OSS_20B, GPT_OSS_120B, ModelConfig
from model.config.weight_shapes import PACKED, SCALES, WeightName


def num_parameters(config: ModelConfig) -> int:
    """Two values a byte in the blocks; scales are no parameters."""
    return sum(
        prod(weight.shape(config)) * (2 if weight.name in PACKED else 1)
        for weight in every_weight(config)
        if weight.name not in SCALES
    )


@pytest.mark.parametrize(("config", "billions"), [(GPT_OSS_20B, 20.91), (GPT_OSS_120B, 116.83)])
def test_the_released_models_have_their_published_size(config: ModelConfig, billions: float) -> None:
    assert round(num_parameters(config) / 1e9, 2) == billions


def test_every_name_occurs_once_per_layer_or_once() -> None:
    weights = list(every_weight(GPT_OSS_20B))
    assert len(set(weights)) == len(weights)
    assert {weight.name for weight in weights} == set(WeightName)
    assert {weight.layer for weight in weights} == {None, *range(24)}
    assert len(weights) == 3 + 24 * (len(WeightName) - 3)


def test_a_weight_names_itself_in_messages() -> None:
    assert str(Weight(WeightName.QKV_BIAS, 3)) == "layer 3 qkv.bias"
    assert str(Weight(WeightName.FINAL_NORM, None)) == "unembedding.norm"
