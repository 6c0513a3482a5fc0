"""The forward pass through the GPU kernels, interpreted, against the plain one; and that no step waits."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from kernels import device
from kernels.gpu.expert_layout import checkpoint_order
from model.config import ModelConfig
from model.dummy import dummy_weights
from model.gpt_oss import GptOss
from model.gpu_experts import arrange_experts
from model.kv_cache import KvCache
from model.local_model import LocalModel
from model.page_pool import PagePool
from model.pages import SequencePages
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from protos.errors import ConfigError
from tests.model.runner import ODD_TINY, REFERENCE, load_float32, random_tokens, write_tiny

CONFIG: ModelConfig = replace(ODD_TINY, layer_kinds=ODD_TINY.layer_kinds[:2])  # a sliding one and a full one
NUM_PAGES = 80


class WaitsForTheDeviceError(Exception):
    pass


class NoWaiting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses whatever makes a CPU wait for a GPU: a tensor's number, or a shape that depends on numbers."""

    REFUSED = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "bincount", "equal", "is_nonzero")

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = str(function).split(".")[1]
        if name.startswith(self.REFUSED):
            raise WaitsForTheDeviceError(name)
        return function(*args, **(kwargs or {}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny(CONFIG, tmp_path)
    return tmp_path


def model_of(folder: Path, *, arrange: bool) -> GptOss:
    weights = load_float32(folder)[1]
    return LocalModel.of(CONFIG, weights, cpu_kernels=REFERENCE, arrange=arrange).forward_pass


def steps(model: GptOss, prompts: list[list[int]], following: list[list[int]]) -> list[Tensor]:
    """A mixed prefill in two chunks, then decodes; on a cache whose free pages are NaN."""
    cache = KvCache.allocate(CONFIG, num_pages=NUM_PAGES, page_size=4, dtype=torch.float32)
    cache.keys.fill_(torch.nan)
    cache.values.fill_(torch.nan)
    pool = PagePool(NUM_PAGES)
    pages = [SequencePages(pool, 4, CONFIG.sliding_window) for _ in prompts]
    lengths = [0] * len(prompts)
    logits = []
    halves = [[prompt[: len(prompt) // 2] for prompt in prompts], [p[len(p) // 2 :] for p in prompts]]
    for tokens in (*halves, *([[token] for token in row] for row in following)):
        chunks = []
        for index, token_ids in enumerate(tokens):
            pages[index].make_room(lengths[index] + len(token_ids))
            chunks.append(SequenceChunk(token_ids, lengths[index], pages[index], LogitsWanted.LAST))
            lengths[index] += len(token_ids)
        batch = StepBatch.build(chunks)
        with NoWaiting():  # type: ignore[no-untyped-call]
            logits.append(model.forward(batch, cache))
        for each, length in zip(pages, lengths, strict=True):
            each.release_behind(length)
    return logits


def test_the_forward_pass(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts, following = [random_tokens(n) for n in (27, 2, 9)], [random_tokens(3)]
    found = steps(model_of(folder, arrange=True), prompts, following)
    monkeypatch.setattr(device, "INTERPRETS", False)
    with pytest.raises(WaitsForTheDeviceError):
        steps(model_of(folder, arrange=False), prompts, following)  # the plain form waits; the test can tell
    monkeypatch.setattr(NoWaiting, "REFUSED", ())
    expected = steps(model_of(folder, arrange=False), prompts, following)
    for mine, theirs in zip(found, expected, strict=True):
        scale = float(theirs.std())
        assert math.isfinite(scale)
        assert float((mine - theirs).abs().max()) < 1e-4 * scale  # float32


def test_arranging_a_model(folder: Path) -> None:
    plain, taken = load_float32(folder)[1], load_float32(folder)[1]
    for layer, held in arrange_experts(taken.experts).items():
        back = checkpoint_order(held.gate_up.packed, in_pairs=True)
        assert torch.equal(back.blocks, plain.experts[layer].gate_up.packed.blocks)
        back = checkpoint_order(held.down.packed, in_pairs=False)
        assert torch.equal(back.scales, plain.experts[layer].down.packed.scales)


def test_a_damaged_scale_is_refused_with_its_layer() -> None:
    held = dummy_weights(CONFIG, 5)
    held.experts[1].down.packed.scales[1, 2, 3] = 200
    with pytest.raises(ConfigError, match=r"experts of layer 1 do not fit .* scale 2\^73"):
        LocalModel.of(CONFIG, held, cpu_kernels=REFERENCE, arrange=True)
