from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.config import GPT_OSS_20B, GPT_OSS_120B, ModelConfig
from model.kv_cache import KvCache
from protos.errors import ConfigError
from tests.model.runner import ODD_TINY
from workers.cache.cached_pages import CacheLayout
from workers.cache.sizing import StepSize, bytes_of_page, free_bytes, free_host_bytes, num_pages_for
from workers.engine.admission import context_limit

LAYOUT = CacheLayout(page_size=16, sliding_window=128)
STEP = StepSize(num_tokens=512, num_logits=64)


@pytest.mark.parametrize("config", [ODD_TINY, replace(GPT_OSS_20B, vocab_size=64)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_page_takes_what_it_says(config: ModelConfig, dtype: torch.dtype) -> None:
    cache = KvCache.allocate(config, num_pages=3, page_size=5, dtype=dtype)
    assert bytes_of_page(config, 5, dtype) == cache.bytes_per_page
    held = cache.keys.nbytes + cache.values.nbytes
    assert held == 3 * bytes_of_page(config, 5, dtype)


def num_pages(gigabytes: float, config: ModelConfig = GPT_OSS_120B, *, max_running: int = 64) -> int:
    return num_pages_for(
        config,
        LAYOUT,
        free_bytes=int(gigabytes * 1e9),
        bytes_per_page=bytes_of_page(config, 16, torch.bfloat16),
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
    with pytest.raises(ConfigError, match=r"0\.40 GB of memory are free beside the weights; a step takes"):
        num_pages(0.4)


def write_system(folder: Path, *, available_kb: int, limit: str, current: int, inactive: int) -> None:
    (folder / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable:   {available_kb} kB\n")
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{current}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\n")


@pytest.mark.parametrize(
    ("available_kb", "limit", "expected"),
    [(1000, "max", 1_024_000), (1000, "9000", 9000 - 3000 + 500), (2, "9000", 2048), (1000, "2500", 0)],
)
def test_free_memory_is_the_lesser_of_machine_and_container(
    tmp_path: Path, available_kb: int, limit: str, expected: int
) -> None:
    write_system(tmp_path, available_kb=available_kb, limit=limit, current=3000, inactive=500)
    assert free_host_bytes(tmp_path / "meminfo", tmp_path) == expected


def test_a_system_that_says_nothing_is_asked_for_a_size(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="say how large the cache shall be"):
        free_host_bytes(tmp_path / "meminfo", tmp_path)


def test_this_machine_says_something() -> None:
    assert free_bytes(torch.device("cpu")) > 1 << 20
