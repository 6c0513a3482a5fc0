"""Pages by memory: as many bytes as they say, as many pages as fit, words where too few do."""

from dataclasses import replace

import pytest
import torch

from model.config import GPT_OSS_20B, GPT_OSS_120B, ModelConfig
from model.kv_cache import KvCache
from protos.errors import ConfigError
from tests.model.runner import ODD_TINY
from workers.cache.cached_pages import CacheLayout
from workers.cache.page_budget import StepSize, bytes_of_page, context_limit, num_pages_for

LAYOUT = CacheLayout(page_size=16, sliding_window=128)
STEP = StepSize(num_tokens=512, num_logits=64)


@pytest.mark.parametrize("config", [ODD_TINY, replace(GPT_OSS_20B, vocab_size=64)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_page_takes_what_it_says(config: ModelConfig, dtype: torch.dtype) -> None:
    cache = KvCache.allocate(config, num_pages=3, page_size=5, dtype=dtype)
    assert bytes_of_page(config, 5, dtype.itemsize) == cache.bytes_per_page
    held = cache.keys.nbytes + cache.values.nbytes
    assert held == 3 * bytes_of_page(config, 5, dtype.itemsize)


def num_pages(gigabytes: float, config: ModelConfig = GPT_OSS_120B, *, max_running: int = 64) -> int:
    return num_pages_for(
        config,
        LAYOUT,
        free_bytes=int(gigabytes * 1e9),
        bytes_per_page=bytes_of_page(config, 16, 2),
        step=STEP,
        max_running=max_running,
        share=0.9,
    )


def test_the_120b_beside_its_weights_on_an_80_gb_gpu() -> None:
    """About 12 GB are left: some 270,000 tokens, and sequences of the model's full length."""
    pages = num_pages(12.0)
    assert 250_000 < pages * 16 < 300_000
    assert context_limit(GPT_OSS_120B.max_positions, pages, LAYOUT, 512) == 131_072


def test_no_more_than_all_sequences_could_fill() -> None:
    tiny = replace(ODD_TINY, max_positions=256)
    assert num_pages(50.0, tiny, max_running=2) == 2 * (16 + 16)


def test_too_little_memory_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match=r"0\.40 GB of memory are there for cache and steps; a step takes"):
        num_pages(0.4)
