import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from model.checkpoint.tensor_folder import INDEX_NAME, scan_folder
from protos.errors import CheckpointError, CorruptFileError, TensorMissingError, TensorSurplusError

NAME_TO_FILE = {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_file({"a": torch.ones(1), "b": torch.ones(2)}, tmp_path / "one.safetensors")
    save_file({"c": torch.ones(3)}, tmp_path / "two.safetensors")
    return tmp_path


def write_index(folder: Path, name_to_file: Mapping[str, object]) -> None:
    (folder / INDEX_NAME).write_text(json.dumps({"metadata": {}, "weight_map": name_to_file}))


def found(folder: Path) -> dict[str, str]:
    return {name: entry.file.name for name, entry in scan_folder(folder).items()}


def test_the_files_alone_are_enough(folder: Path) -> None:
    assert found(folder) == NAME_TO_FILE


def test_an_index_that_agrees(folder: Path) -> None:
    write_index(folder, NAME_TO_FILE)
    assert found(folder) == NAME_TO_FILE


def test_other_layouts_in_sub_folders_are_left_alone(folder: Path) -> None:
    (folder / "original").mkdir()
    save_file({"d": torch.ones(1)}, folder / "original" / "model.safetensors")
    assert found(folder) == NAME_TO_FILE


@pytest.mark.parametrize(
    ("changes", "error", "messages"),
    [
        (
            {"c": "three.safetensors"},
            TensorMissingError,
            ["three.safetensors: does not exist", INDEX_NAME, "tensor 'c'"],
        ),
        (
            {"c": "one.safetensors"},
            TensorMissingError,
            ["one.safetensors: tensor 'c' is expected here", "found in two.safetensors"],
        ),
        (
            {"d": "one.safetensors"},
            TensorMissingError,
            ["one.safetensors: tensor 'd' is expected here", "found in no file"],
        ),
        ({"c": 3}, TensorMissingError, ["3: does not exist", "tensor 'c'"]),
        ({"c": "../one.safetensors"}, TensorMissingError, ["tensor 'c'"]),
        ({"b": None}, TensorSurplusError, ["one.safetensors: tensor 'b' is not in " + INDEX_NAME]),
    ],
)
def test_an_index_that_disagrees(
    folder: Path, changes: dict[str, object], error: type[CheckpointError], messages: list[str]
) -> None:
    changed = NAME_TO_FILE | changes
    write_index(folder, {name: file for name, file in changed.items() if file is not None})
    with pytest.raises(error) as caught:
        scan_folder(folder)
    assert type(caught.value) is error
    for message in messages:
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [("{", "is not an index"), ('{"weight_map": []}', "'weight_map' is list"), ("{}", "NoneType")],
)
def test_an_index_that_is_none(folder: Path, content: str, expected: str) -> None:
    (folder / INDEX_NAME).write_text(content)
    with pytest.raises(CorruptFileError, match=expected) as caught:
        scan_folder(folder)
    assert str(folder / INDEX_NAME) in str(caught.value)


def test_an_index_that_cannot_be_read(folder: Path) -> None:
    (folder / INDEX_NAME).mkdir()
    with pytest.raises(CorruptFileError, match="cannot be read: Is a directory"):
        scan_folder(folder)


def test_a_tensor_in_two_files(folder: Path) -> None:
    save_file({"b": torch.ones(2)}, folder / "three.safetensors")
    with pytest.raises(
        TensorSurplusError, match=r"three\.safetensors: tensor 'b' is already in one\.safetensors"
    ):
        scan_folder(folder)


def test_a_folder_without_files(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no \*\.safetensors file"):
        scan_folder(tmp_path)


def test_a_file_that_is_damaged(folder: Path) -> None:
    (folder / "two.safetensors").write_bytes(b"two")
    with pytest.raises(CorruptFileError, match=r"two\.safetensors"):
        scan_folder(folder)
