"""Every kind of damage has an error of its own, which names file, tensor, expected and found."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.checkpoint.checkpoint import Checkpoint
from model.config import alternating_layers
from model.config.config_writer import hugging_face_document, write_config
from model.weights import Selection
from protos.errors import (
    CheckpointError,
    CorruptFileError,
    TensorMismatchError,
    TensorMissingError,
    TensorSurplusError,
    TensorValueError,
)
from tests.model.tiny_model import TINY


def change_tensors(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, folder / "changed")
    return (folder / "changed").rename(file)


Q_BIAS = "model.layers.2.self_attn.q_proj.bias"
OUTPUT = "model.layers.4.self_attn.o_proj.weight"
SCALES = "model.layers.3.mlp.experts.down_proj_scales"


@pytest.mark.parametrize(
    ("change", "error", "messages"),
    [
        (
            lambda tensors: tensors.pop(Q_BIAS),
            TensorMissingError,
            [f"tensor '{Q_BIAS}'", "expected BF16 [72]", "found in no file"],
        ),
        (
            lambda tensors: tensors.update({"model.layers.5.mlp.router.bias": torch.ones(7)}),
            TensorSurplusError,
            ["model.safetensors", "'model.layers.5.mlp.router.bias'", "with 5 layers", "found F32 [7]"],
        ),
        (
            lambda tensors: tensors.update({OUTPUT: tensors[OUTPUT].t().contiguous()}),
            TensorMismatchError,
            ["model.safetensors", f"'{OUTPUT}'", "expected BF16 [96, 72]", "found BF16 [72, 96]"],
        ),
        (
            lambda tensors: tensors.update({OUTPUT: tensors[OUTPUT].half()}),
            TensorMismatchError,
            ["model.safetensors", f"'{OUTPUT}'", "expected BF16 [96, 72]", "found F16 [96, 72]"],
        ),
        (
            lambda tensors: tensors.update({SCALES: tensors[SCALES].view(torch.int8)}),
            TensorMismatchError,
            ["model.safetensors", f"'{SCALES}'", "expected U8 [7, 96, 5]", "found I8 [7, 96, 5]"],
        ),
    ],
)
def test_a_damaged_tensor_is_named_when_the_folder_is_opened(
    damaged: Path,
    change: Callable[[dict[str, Tensor]], object],
    error: type[CheckpointError],
    messages: list[str],
) -> None:
    change_tensors(damaged, change)
    with pytest.raises(error) as caught:
        Checkpoint.open(damaged)
    assert type(caught.value) is error
    assert str(damaged) in str(caught.value)
    for message in messages:
        assert message in str(caught.value)


@pytest.mark.parametrize(("num_layers", "error"), [(4, TensorSurplusError), (6, TensorMissingError)])
def test_a_config_of_another_model(damaged: Path, num_layers: int, error: type[CheckpointError]) -> None:
    write_config(damaged, hugging_face_document(replace(TINY, layer_kinds=alternating_layers(num_layers))))
    with pytest.raises(error, match=f"model.layers.{min(num_layers, 5)}."):
        Checkpoint.open(damaged)


def test_tensors_of_another_model(damaged: Path) -> None:
    save_file({"transformer.wte": torch.ones(3)}, damaged / "model.safetensors")
    with pytest.raises(
        TensorMissingError, match=r"expected tensors of gpt-oss.*found \['transformer\.wte'\]"
    ):
        Checkpoint.open(damaged)


def test_half_a_download(release: Path, tmp_path: Path) -> None:
    for file in release.glob("*.*"):
        if "00003-of" not in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(TensorMissingError, match=r"model-00003-of-\d+\.safetensors: does not exist"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize(
    ("anchor", "offset"),
    [
        ("file begins", 0),
        ("file begins", 7),
        ("file begins", 8),
        ("file begins", 100),
        ("header ends", -1),
        ("header ends", 0),
        ("header ends", 1),
        ("file ends", -100_000),
        ("file ends", -1),
    ],
)
def test_a_file_cut_anywhere(damaged: Path, anchor: str, offset: int) -> None:
    file = damaged / "model.safetensors"
    content = file.read_bytes()
    num_header_bytes = 8 + int.from_bytes(content[:8], "little")
    anchors = {"file begins": 0, "header ends": num_header_bytes, "file ends": len(content)}
    num_kept = anchors[anchor] + offset
    file.write_bytes(content[:num_kept])
    with pytest.raises(CorruptFileError) as caught:
        Checkpoint.open(damaged)
    message = str(caught.value)
    assert message.startswith(str(file))
    assert "expected" in message
    assert "found" in message
    assert ("tensor 'model." in message) == (num_kept >= num_header_bytes)


def test_a_file_with_something_behind_it(damaged: Path) -> None:
    with (damaged / "model.safetensors").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(
        CorruptFileError, match=r"model\.safetensors: expected \d+ bytes by its header, found \d+"
    ):
        Checkpoint.open(damaged)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("gate_up_proj_scales", (7, 320, 3)), ("down_proj_scales", (7, 96, 5))],
)
def test_a_scale_that_is_not_a_number_is_named(damaged: Path, name: str, shape: tuple[int, ...]) -> None:
    tensor = f"model.layers.3.mlp.experts.{name}"

    def spoil(tensors: dict[str, Tensor]) -> None:
        assert tensors[tensor].shape == shape
        tensors[tensor][5, 41, 2] = 255

    change_tensors(damaged, spoil)
    checkpoint = Checkpoint.open(damaged)
    checkpoint.load(Selection(layer_to_experts={3: (4, 6), 2: (5,)}))
    with pytest.raises(TensorValueError) as caught:
        checkpoint.load(Selection(layer_to_experts={3: (6, 5, 4)}))
    assert str(caught.value).startswith(
        f"{damaged / 'model.safetensors'}: tensor '{tensor}': expert 5, row 41, block 2"
    )
    assert "expected a scale below 255, found 255" in str(caught.value)


def test_the_highest_scale_that_is_a_number(damaged: Path) -> None:
    change_tensors(damaged, lambda tensors: tensors[SCALES].fill_(254))
    loaded = Checkpoint.open(damaged).load(Selection(layer_to_experts={3: (5,)}))
    assert set(loaded.experts[3].down.packed.scales.flatten().tolist()) == {254}


def test_a_file_that_goes_away_after_it_was_checked(damaged: Path) -> None:
    checkpoint = Checkpoint.open(damaged)
    file = damaged / "model.safetensors"
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 1)
    with pytest.raises(CorruptFileError, match="is cut short"):
        checkpoint.load(Selection.whole(TINY))
    file.unlink()
    with pytest.raises(CorruptFileError, match="No such file"):
        checkpoint.load(Selection.whole(TINY))
