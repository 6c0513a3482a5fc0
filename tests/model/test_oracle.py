"""gpt-oss against transformers' GptOssForCausalLM: the same file, float32, on the CPU.

The limit of 1e-4 on logits of size about 5 is float32 rounding through the layers in two orders of addition;
the ablations show how far a real mistake lies above it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import GptOssForCausalLM, Mxfp4Config
from transformers.utils import logging as transformers_logging

import kernels.moe_gate_up
import model.gpt_oss
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.mxfp4 import PackedMatrix
from kernels.route import Routing
from model.checkpoint import Checkpoint
from model.config import ModelConfig
from model.weights import (
    AttentionLayerWeights,
    DenseMatrix,
    ExpertMatrices,
    ExpertWeights,
    ModelWeights,
    Selection,
)
from tests.model.runner import (
    FULL,
    ODD_TINY,
    REFERENCE,
    SLIDING,
    Runner,
    cut,
    load_float32,
    random_tokens,
    write_tiny,
)

LIMIT = 1e-4
WIDE_WINDOW = replace(ODD_TINY, sliding_window=128)
LONG = replace(ODD_TINY, layer_kinds=(SLIDING, FULL), sliding_window=128)


@dataclass(frozen=True)
class Subject:
    """One checkpoint file, loaded by us and by transformers."""

    folder: Path
    config: ModelConfig
    weights: ModelWeights
    oracle: GptOssForCausalLM
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS

    def expected(self, token_ids: list[int]) -> Tensor:
        with torch.inference_mode():
            logits: Tensor = self.oracle(torch.tensor([token_ids])).logits[0]
        return logits

    def distance(self, token_ids: list[int]) -> float:
        runner = Runner(self.config, self.weights, cpu_kernels=self.cpu_kernels)
        found = runner.run(token_ids, [len(token_ids)])
        return float((found - self.expected(token_ids)).abs().max())


def load_oracle(folder: Path, dtype: torch.dtype) -> GptOssForCausalLM:
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    oracle = GptOssForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        attn_implementation="eager",
        quantization_config=Mxfp4Config(dequantize=True),
    )
    return oracle.eval()


def load_both(config: ModelConfig, folder: Path) -> Subject:
    write_tiny(config, folder)
    loaded, weights = load_float32(folder)
    assert loaded == config
    return Subject(folder, config, weights, load_oracle(folder, torch.float32))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return load_both(ODD_TINY, tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def wide_window(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return load_both(WIDE_WINDOW, tmp_path_factory.mktemp("wide_window"))


@pytest.mark.parametrize("length", [1, 19, 20, 21, 150])
@pytest.mark.parametrize("cpu_kernels", [DEFAULT_SETTINGS, REFERENCE], ids=["fastest", "reference"])
def test_one_prefill(tiny: Subject, length: int, cpu_kernels: CpuKernelSettings) -> None:
    assert replace(tiny, cpu_kernels=cpu_kernels).distance(random_tokens(length)) <= LIMIT


@pytest.mark.parametrize("size", [1, 127, 128, 129])
def test_chunked_prefill(wide_window: Subject, size: int) -> None:
    token_ids = random_tokens(300)
    found = Runner(wide_window.config, wide_window.weights).run(token_ids, cut(300, size))
    assert (found - wide_window.expected(token_ids)).abs().max() <= LIMIT


@pytest.mark.parametrize("page_size", [1, 7, 64])
def test_page_sizes(tiny: Subject, page_size: int) -> None:
    token_ids = random_tokens(70)
    runner = Runner(tiny.config, tiny.weights, page_size=page_size)
    assert (runner.run(token_ids, [30, 1, 1, 38]) - tiny.expected(token_ids)).abs().max() <= LIMIT


def test_past_the_original_context(tmp_path: Path) -> None:
    subject = load_both(LONG, tmp_path)
    token_ids = random_tokens(4200)
    found = Runner(subject.config, subject.weights).run(token_ids, [2000, 2000, 150, *[1] * 50])
    assert (found - subject.expected(token_ids)).abs().max() <= LIMIT


def test_mixed_batches(wide_window: Subject) -> None:
    """Three sequences of their own lengths, prefilled and decoded in the same steps."""
    runner = Runner(wide_window.config, wide_window.weights)
    prompts = [random_tokens(length) for length in (140, 131, 9)]
    first, second, third = (runner.begin(token_ids) for token_ids in prompts)
    plan = [
        [(first, 128)],
        [(first, 1), (second, 127)],
        [(third, 2), (first, 1), (second, 1)],
        *[[(first, 1), (second, 1), (third, 1)]] * 3,
        [(first, 7), (third, 4)],
    ]
    found: dict[int, list[Tensor]] = {id(first): [], id(second): [], id(third): []}
    for shares in plan:
        for (sequence, _), logits in zip(shares, runner.step(shares), strict=True):
            found[id(sequence)].append(logits)
    for sequence in (first, second, third):
        assert sequence.position == len(sequence.token_ids)
        expected = wide_window.expected(list(sequence.token_ids))
        assert (torch.cat(found[id(sequence)]) - expected).abs().max() <= LIMIT


def test_bfloat16_is_no_further_from_float32_than_the_oracle_s_own(tiny: Subject) -> None:
    token_ids = random_tokens(150)
    expected = tiny.expected(token_ids)
    narrow = Checkpoint.open(tiny.folder).load(Selection.whole(tiny.config))
    ours = Runner(tiny.config, narrow).run(token_ids, [100, 50])
    theirs = replace(tiny, oracle=load_oracle(tiny.folder, torch.bfloat16)).expected(token_ids).float()
    # Root mean square, since a gate that flips moves single logits far. A fifth on top, since both round.
    our_error, their_error = ((found - expected).square().mean().sqrt() for found in (ours, theirs))
    assert 0 < our_error <= 1.2 * their_error


# Ablations: one wrong reading of the model each. If a comparison above could not see one, it proves nothing.


def with_attention(
    subject: Subject, change: Callable[[AttentionLayerWeights], AttentionLayerWeights]
) -> Subject:
    changed = {layer: change(weights) for layer, weights in subject.weights.attention.items()}
    return replace(subject, weights=replace(subject.weights, attention=changed))


def swapped_gate_and_up(weights: ExpertWeights) -> ExpertWeights:
    def swap(tensor: Tensor) -> Tensor:  # [experts, 2 * intermediate, …]
        return torch.stack((tensor[:, 1::2], tensor[:, 0::2]), dim=2).flatten(1, 2)

    packed, bias = weights.gate_up.packed, weights.gate_up.bias
    swapped = ExpertMatrices(PackedMatrix(swap(packed.blocks), swap(packed.scales)), swap(bias))
    return replace(weights, gate_up=swapped)


def with_experts(subject: Subject, change: Callable[[ExpertWeights], ExpertWeights]) -> Subject:
    changed = {layer: change(weights) for layer, weights in subject.weights.experts.items()}
    return replace(subject, weights=replace(subject.weights, experts=changed))


def with_config(subject: Subject, config: ModelConfig) -> Subject:
    return replace(subject, config=config)


def without_gate_bias(weights: AttentionLayerWeights) -> AttentionLayerWeights:
    return replace(weights, gate=DenseMatrix(weights.gate.weight, torch.zeros_like(weights.gate.bias)))


ABLATIONS: dict[str, Callable[[Subject], Subject]] = {
    "window one shorter": lambda s: with_config(s, replace(ODD_TINY, sliding_window=19)),
    "window one longer": lambda s: with_config(s, replace(ODD_TINY, sliding_window=21)),
    "sink scaled like a logit": lambda s: with_attention(s, lambda w: replace(w, sinks=w.sinks * 12**-0.5)),
    "sink dropped": lambda s: with_attention(s, lambda w: replace(w, sinks=w.sinks - 1e9)),
    "gate and up swapped": lambda s: with_experts(s, swapped_gate_and_up),
    "gate bias dropped": lambda s: with_attention(s, without_gate_bias),
    "YaRN bounds rounded": lambda s: with_config(
        s, replace(ODD_TINY, rope=replace(ODD_TINY.rope, truncate=True))
    ),
    "SwiGLU clamp dropped": lambda s: with_config(s, replace(ODD_TINY, swiglu_limit=1e9)),
    "layer kinds taken by parity": lambda s: with_config(
        s, replace(ODD_TINY, layer_kinds=(SLIDING, FULL, SLIDING, FULL, SLIDING))
    ),
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablation_is_noticed(tiny: Subject, name: str) -> None:
    assert ABLATIONS[name](tiny).distance(random_tokens(150)) > 10 * LIMIT


def softmax_before_top_k(logits: Tensor, top_k: int, _cpu_kernels: CpuKernelSettings) -> Routing:
    shares = torch.softmax(logits.float(), dim=-1).topk(top_k, dim=-1)
    return Routing(expert_ids=shares.indices, weights=shares.values)


def swiglu_without_the_one(projected: Tensor, limit: float) -> Tensor:
    gate, up = projected[:, 0::2].clamp(max=limit), projected[:, 1::2].clamp(-limit, limit)
    return gate * torch.sigmoid(1.702 * gate) * up


@pytest.fixture
def ablated_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.gpt_oss, "route", softmax_before_top_k)


@pytest.fixture
def ablated_swiglu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels.moe_gate_up, "swiglu", swiglu_without_the_one)


@pytest.mark.usefixtures("ablated_route")
def test_softmax_before_top_k_is_noticed(tiny: Subject) -> None:
    assert tiny.distance(random_tokens(150)) > 10 * LIMIT


@pytest.mark.usefixtures("ablated_swiglu")
def test_swiglu_without_the_one_is_noticed(tiny: Subject) -> None:
    assert replace(tiny, cpu_kernels=REFERENCE).distance(random_tokens(150)) > 10 * LIMIT
