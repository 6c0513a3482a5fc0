import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor

from kernels.compact import stored
from kernels.mxfp4 import dequantize
from model.checkpoint.layouts import HUGGING_FACE, ORIGINAL, Layout
from model.checkpoint.writer import write_checkpoint
from model.dummy import dummy_weights
from model.weights import ExpertMatrices, ModelWeights, Selection
from protos.errors import CheckpointError, TensorMissingError
from tests.model.tiny_model import SLICE, TINY

LAYOUTS = pytest.mark.parametrize("layout", [HUGGING_FACE, ORIGINAL], ids=lambda layout: layout.title)
MAX_FILE_BYTES = 300_000


@pytest.fixture(scope="module")
def whole() -> ModelWeights:
    return dummy_weights(TINY, seed=3)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@LAYOUTS
def test_a_small_model_is_one_file_without_an_index(
    layout: Layout, tmp_path: Path, whole: ModelWeights
) -> None:
    write_checkpoint(TINY, whole, tmp_path, layout=layout)
    assert names(tmp_path) == ["config.json", "model.safetensors"]
    tensors = load_file(tmp_path / "model.safetensors")
    assert tensors.keys() == {part.spec.name for part in layout.every_part(TINY)}


@pytest.mark.parametrize(("layout", "stem"), [(HUGGING_FACE, "model-"), (ORIGINAL, "model--")])
def test_a_large_model_is_several_files_and_an_index(
    layout: Layout, stem: str, tmp_path: Path, whole: ModelWeights
) -> None:
    write_checkpoint(TINY, whole, tmp_path, layout=layout, max_file_bytes=MAX_FILE_BYTES)
    files = [f"{stem}{number:05}-of-00005.safetensors" for number in range(1, 6)]
    assert names(tmp_path) == sorted(["config.json", "model.safetensors.index.json", *files])
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    held = {file: load_file(tmp_path / file) for file in files}
    assert index["weight_map"] == {name: file for file, tensors in held.items() for name in tensors}
    assert index["metadata"]["total_size"] == sum(
        t.nbytes for tensors in held.values() for t in tensors.values()
    )
    for tensors in held.values():
        assert 0 < sum(tensor.nbytes for tensor in tensors.values()) <= MAX_FILE_BYTES


def test_a_tensor_larger_than_a_file_has_one_of_its_own(tmp_path: Path, whole: ModelWeights) -> None:
    write_checkpoint(TINY, whole, tmp_path, max_file_bytes=1)
    assert len(list(tmp_path.glob("*.safetensors"))) == len(list(HUGGING_FACE.every_part(TINY)))


def test_a_slice_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TensorMissingError, match="embedding: a checkpoint holds a whole model"):
        write_checkpoint(TINY, dummy_weights(TINY, 3, Selection()), tmp_path)
    with pytest.raises(TensorMissingError, match=r"layer 0: a checkpoint holds experts .* found \(5,\)"):
        write_checkpoint(TINY, dummy_weights(TINY, 3, SLICE), tmp_path)
    assert names(tmp_path) == []


def test_experts_out_of_order_are_no_checkpoint(tmp_path: Path) -> None:
    whole = Selection.whole(TINY)
    shuffled = Selection(
        whole.attention_layers, {**whole.layer_to_experts, 2: (1, 0, 2, 3, 4, 5, 6)}, True, True
    )
    with pytest.raises(TensorMissingError, match="layer 2"):
        write_checkpoint(TINY, dummy_weights(TINY, 3, shuffled), tmp_path)


def dequantised(matrices: ExpertMatrices) -> Tensor:
    """[experts, in, out]"""
    return dequantize(matrices.packed, torch.float32).transpose(1, 2)


def test_transformers_loads_it_and_finds_the_same_numbers(tmp_path: Path, whole: ModelWeights) -> None:
    write_checkpoint(TINY, whole, tmp_path, max_file_bytes=MAX_FILE_BYTES)
    loaded, report = transformers.GptOssForCausalLM.from_pretrained(
        tmp_path,
        quantization_config=transformers.Mxfp4Config(dequantize=True),
        dtype=torch.float32,
        attn_implementation="eager",
        output_loading_info=True,
    )
    assert not any(report.values()), report
    tensors = loaded.state_dict()
    for layer, attention in whole.attention.items():
        prefix = f"model.layers.{layer}."
        queries, keys, values = torch.split(stored(attention.qkv.weight).float(), [72, 24, 24])
        experts = whole.experts[layer]
        expected = {
            "self_attn.q_proj.weight": queries,
            "self_attn.k_proj.weight": keys,
            "self_attn.v_proj.weight": values,
            "self_attn.v_proj.bias": attention.qkv.bias[96:].float(),
            "self_attn.sinks": attention.sinks.float(),
            "post_attention_layernorm.weight": attention.moe_norm.float(),
            "mlp.router.weight": stored(attention.gate.weight).float(),
            "mlp.experts.gate_up_proj": dequantised(experts.gate_up),
            "mlp.experts.gate_up_proj_bias": experts.gate_up.bias.float(),
            "mlp.experts.down_proj": dequantised(experts.down),
        }
        for name, tensor in expected.items():
            assert torch.equal(tensors[prefix + name], tensor), prefix + name


def test_files_of_another_checkpoint_are_not_mixed_with_ours(tmp_path: Path, whole: ModelWeights) -> None:
    write_checkpoint(TINY, whole, tmp_path, max_file_bytes=MAX_FILE_BYTES)
    before = names(tmp_path)
    with pytest.raises(CheckpointError, match=r"already holds model-00001-of-.* empty folder"):
        write_checkpoint(TINY, whole, tmp_path)
    assert names(tmp_path) == before
    write_checkpoint(TINY, whole, tmp_path, max_file_bytes=MAX_FILE_BYTES)  # the same files again
    assert names(tmp_path) == before
