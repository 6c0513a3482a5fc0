"""The same model has one fingerprint however it is stored; another model has another."""

from dataclasses import replace
from pathlib import Path

import pytest

from model.checkpoint import Checkpoint, write_checkpoint
from model.checkpoint.fingerprint import fingerprint
from model.config import ModelConfig
from model.dummy import dummy_weights
from protos.errors import CorruptFileError
from tests.model.tiny_model import TINY


def of(folder: Path, config: ModelConfig = TINY, seed: int = 5) -> str:
    write_checkpoint(config, dummy_weights(config, seed), folder)
    return fingerprint(Checkpoint.open(folder))


def test_it_is_of_what_the_checkpoint_holds(tmp_path: Path) -> None:
    found = of(tmp_path / "one")
    assert found == of(tmp_path / "again")
    assert found != of(tmp_path / "tuned", seed=6)
    assert found != of(tmp_path / "clamped", replace(TINY, swiglu_limit=0.9))
    assert len(found) == 16
    assert int(found, 16) >= 0


def test_one_tensor_that_differs_is_enough(tmp_path: Path) -> None:
    before = of(tmp_path)
    entry = Checkpoint.open(tmp_path).tensors[sorted(Checkpoint.open(tmp_path).tensors)[3]]
    with entry.file.open("r+b") as file:
        file.seek(entry.first_byte)
        byte = file.read(1)
        file.seek(entry.first_byte)
        file.write(bytes([byte[0] ^ 1]))
    assert fingerprint(Checkpoint.open(tmp_path)) != before


def test_a_file_that_has_gone_is_named(tmp_path: Path) -> None:
    of(tmp_path)
    checkpoint = Checkpoint.open(tmp_path)
    for entry in checkpoint.tensors.values():
        entry.file.unlink(missing_ok=True)
    with pytest.raises(CorruptFileError, match="cannot be read"):
        fingerprint(checkpoint)
