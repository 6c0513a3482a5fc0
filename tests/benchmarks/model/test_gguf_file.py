"""What is written is what GGUF's own reader finds."""

from functools import partial
from pathlib import Path

import pytest
import torch
from gguf import GGUFReader

from benchmarks.model.gguf_file import GgufTensor, TensorType, write_gguf_file

MATRIX = torch.arange(21, dtype=torch.float32).view(3, 7)
CUBE = torch.arange(30).view(5, 2, 3).bfloat16()
BLOCKS = torch.arange(2 * 4 * 17, dtype=torch.uint8).view(2, 4 * 17)


def write_three(file: Path) -> GGUFReader:
    tensors = [
        GgufTensor("matrix", TensorType.FLOAT32, (3, 7), lambda: MATRIX),  # 84 bytes: no multiple of 32
        GgufTensor("cube", TensorType.BFLOAT16, (5, 2, 3), lambda: CUBE),
        GgufTensor("experts", TensorType.MXFP4, (2, 4 * 32), lambda: BLOCKS),
    ]
    write_gguf_file(file, {"general.architecture": "gpt-oss", "a.count": 7, "a.share": 0.25}, tensors)
    return GGUFReader(file)


def test_metadata_come_back_with_their_types(tmp_path: Path) -> None:
    fields = write_three(tmp_path / "three.gguf").fields
    values = {name: field.contents() for name, field in fields.items() if not name.startswith("GGUF.")}
    assert values == {"general.architecture": "gpt-oss", "a.count": 7, "a.share": 0.25}


def test_tensors_come_back_bit_for_bit(tmp_path: Path) -> None:
    tensors = {tensor.name: tensor for tensor in write_three(tmp_path / "three.gguf").tensors}
    assert [tensor.tensor_type.name for tensor in tensors.values()] == ["F32", "BF16", "MXFP4"]
    assert tensors["cube"].shape.tolist() == [3, 2, 5]  # the fastest axis first
    for name, expected in {"matrix": MATRIX, "cube": CUBE, "experts": BLOCKS}.items():
        found = torch.from_numpy(tensors[name].data.copy()).flatten().view(torch.uint8)
        assert torch.equal(found, expected.flatten().view(torch.uint8)), name


def test_every_tensor_begins_at_a_multiple_of_32(tmp_path: Path) -> None:
    offsets = [tensor.data_offset for tensor in write_three(tmp_path / "three.gguf").tensors]
    assert [offset % 32 for offset in offsets] == [0, 0, 0]
    assert (tmp_path / "three.gguf").stat().st_size % 32 == 0


def test_a_tensor_is_made_when_its_turn_comes_and_must_have_its_size(tmp_path: Path) -> None:
    short = GgufTensor("short", TensorType.FLOAT32, (3, 8), partial(torch.zeros, 3, 7))
    with pytest.raises(AssertionError, match="short: 84 bytes"):
        write_gguf_file(tmp_path / "short.gguf", {}, [short])
