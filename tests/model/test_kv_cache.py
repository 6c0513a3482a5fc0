import pytest
import torch

from model.config import GPT_OSS_20B, GPT_OSS_120B, LayerKind, ModelConfig
from model.kv_cache import KvCache, assign_places

FULL, SLIDING = LayerKind.FULL, LayerKind.SLIDING


def config_with(*kinds: LayerKind) -> ModelConfig:
    return ModelConfig(
        vocab_size=11, hidden_size=32, intermediate_size=64, head_dim=6, num_query_heads=6, num_kv_heads=3,
        num_experts=2, experts_per_token=1, layer_kinds=kinds,
    )  # fmt: skip


def test_layers_of_one_kind_never_share_a_place() -> None:
    places = assign_places(config_with(SLIDING, FULL, FULL, SLIDING, FULL), range(5))
    assert places == {0: 0, 1: 0, 2: 1, 3: 1, 4: 2}


def test_a_stage_has_places_for_its_own_layers_only() -> None:
    config = config_with(SLIDING, FULL, SLIDING, FULL)
    cache = KvCache.allocate(config, num_pages=5, page_size=4, dtype=torch.bfloat16, layers=[2, 3])
    assert cache.keys.shape == (1, 5, 4, 3, 6)
    assert cache.of_layer(2).keys.data_ptr() == cache.of_layer(3).keys.data_ptr()
    with pytest.raises(KeyError):
        cache.of_layer(0)


@pytest.mark.parametrize(("config", "bytes_per_token"), [(GPT_OSS_20B, 24_576), (GPT_OSS_120B, 36_864)])
def test_bytes_of_a_page(config: ModelConfig, bytes_per_token: int) -> None:
    cache = KvCache.allocate(config, num_pages=2, page_size=16, dtype=torch.bfloat16)
    assert cache.bytes_per_page == 16 * bytes_per_token
