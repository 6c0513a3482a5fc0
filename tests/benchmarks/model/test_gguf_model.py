"""A GGUF file holds the model of the checkpoint: read and unpacked by GGUF's own reader."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader, dequantize
from torch import Tensor

import kernels.mxfp4
from benchmarks.model.gguf_model import gguf_blocks, write_gguf_model
from benchmarks.report import BenchmarkError
from kernels.compact import stored
from kernels.mxfp4 import PackedMatrix
from model.checkpoint import Checkpoint, write_checkpoint
from model.config import ModelConfig
from model.dummy import dummy_weights
from model.weights import ModelWeights, Selection
from tests.benchmarks.model.small_model import SMALL


@pytest.fixture(scope="module")
def found(small: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """Every tensor, unpacked to float32, its slowest axis first."""
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    write_gguf_model(small, file)
    return {
        tensor.name: torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type)))
        for tensor in GGUFReader(file).tensors
    }


@pytest.fixture(scope="module")
def weights(small: Path) -> ModelWeights:
    return Checkpoint.open(small).load(Selection.whole(SMALL))


def test_a_block_has_its_scale_then_the_first_half_in_the_low_nibbles() -> None:
    values = [*range(16), *range(15, -1, -1)]  # by their codes: 0 … 15, then 15 … 0
    blocks = torch.tensor([[low | high << 4 for low, high in zip(values[::2], values[1::2], strict=True)]])
    matrix = PackedMatrix(blocks.to(torch.uint8), torch.tensor([121], dtype=torch.uint8))
    [block] = gguf_blocks(matrix).tolist()
    assert block == [121, *(code | (15 - code) << 4 for code in range(16))]


def test_experts_unpack_to_the_same_values(found: dict[str, Tensor], weights: ModelWeights) -> None:
    for layer, experts in weights.experts.items():
        gate_up = kernels.mxfp4.dequantize(experts.gate_up.packed, torch.float32)
        down = kernels.mxfp4.dequantize(experts.down.packed, torch.float32)
        assert torch.equal(found[f"blk.{layer}.ffn_gate_exps.weight"], gate_up[:, 0::2])
        assert torch.equal(found[f"blk.{layer}.ffn_up_exps.weight"], gate_up[:, 1::2])
        assert torch.equal(found[f"blk.{layer}.ffn_down_exps.weight"], down)
        assert torch.equal(found[f"blk.{layer}.ffn_gate_exps.bias"], experts.gate_up.bias[:, 0::2].float())
        assert torch.equal(found[f"blk.{layer}.ffn_up_exps.bias"], experts.gate_up.bias[:, 1::2].float())
        assert torch.equal(found[f"blk.{layer}.ffn_down_exps.bias"], experts.down.bias.float())


def test_queries_keys_and_values_are_apart(found: dict[str, Tensor], weights: ModelWeights) -> None:
    for layer, attention in weights.attention.items():
        for part, whole in (("weight", stored(attention.qkv.weight)), ("bias", attention.qkv.bias)):
            apart = [found[f"blk.{layer}.attn_{letter}.{part}"] for letter in "qkv"]
            assert [len(tensor) for tensor in apart] == [72, 24, 24]
            assert torch.equal(torch.cat(apart), whole.float())


def test_the_rest_of_a_layer_and_the_ends(found: dict[str, Tensor], weights: ModelWeights) -> None:
    attention = weights.attention[3]
    expected = {
        "attn_norm.weight": attention.attention_norm,
        "post_attention_norm.weight": attention.moe_norm,
        "attn_sinks.weight": attention.sinks,
        "attn_output.weight": stored(attention.output.weight),
        "attn_output.bias": attention.output.bias,
        "ffn_gate_inp.weight": stored(attention.gate.weight),
        "ffn_gate_inp.bias": attention.gate.bias,
    }
    for name, tensor in expected.items():
        assert torch.equal(found[f"blk.3.{name}"], tensor.float()), name
    assert weights.embedding is not None
    assert weights.unembedding is not None
    assert torch.equal(found["token_embd.weight"], weights.embedding.float())
    assert torch.equal(found["output.weight"], stored(weights.unembedding.projection).float())
    assert torch.equal(found["output_norm.weight"], weights.unembedding.norm.float())


def test_the_metadata_say_the_configuration(small: Path, tmp_path: Path) -> None:
    write_gguf_model(small, tmp_path / "model.gguf")
    fields = GGUFReader(tmp_path / "model.gguf").fields
    told = {name.removeprefix("gpt-oss."): field.contents() for name, field in fields.items()}
    assert told["general.architecture"] == "gpt-oss"
    assert told["block_count"] == 5
    assert told["expert_count"] == 7
    assert told["attention.head_count"] == 6
    assert told["attention.head_count_kv"] == 2
    assert told["attention.key_length"] == 12
    assert told["attention.sliding_window"] == 20
    assert told["rope.scaling.type"] == "yarn"
    assert told["rope.scaling.factor"] == 32
    assert told["rope.scaling.original_context_length"] == 4096
    assert told["attention.layer_norm_rms_epsilon"] == pytest.approx(1e-5)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (replace(SMALL, rope=replace(SMALL.rope, truncate=False)), "rope truncate"),
        (replace(SMALL, swiglu_limit=5.0), "swiglu_limit"),
        (replace(SMALL, layer_kinds=SMALL.layer_kinds[1:]), "layer_types"),
    ],
)
def test_what_llama_cpp_takes_for_granted_must_be_so(tmp_path: Path, config: ModelConfig, name: str) -> None:
    write_checkpoint(config, dummy_weights(config, seed=3), tmp_path)
    with pytest.raises(BenchmarkError, match=f"as if {name} were"):
        write_gguf_model(tmp_path, tmp_path / "model.gguf")
    assert not (tmp_path / "model.gguf").exists()
