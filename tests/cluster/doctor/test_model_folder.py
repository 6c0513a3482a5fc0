"""A model folder: whole, damaged, without a tokenizer, against its manifest."""

import shutil
from pathlib import Path

import pytest

from cluster.config.config import Config
from cluster.config.config_file import parse_config
from cluster.doctor.finding import State
from cluster.doctor.model_folder import check_checkpoint, check_folder, check_hashes, check_tokenizer
from model.hub.digest import DigestKind, digest_file
from model.hub.manifest import Manifest, PublishedFile


@pytest.fixture
def folder(spoken_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(spoken_folder, tmp_path / "model")


def config_of(folder: Path) -> Config:
    return parse_config({"model": str(folder)}, "test")


def test_a_whole_folder_is_fine(folder: Path) -> None:
    config = config_of(folder)
    assert check_folder(config)[1] == folder
    checkpoint, tokenizer = check_checkpoint(folder), check_tokenizer(folder, config)
    assert (checkpoint.state, tokenizer.state) == (State.OK, State.OK)
    assert "293 tokens, harmony whole" in tokenizer.found


def test_a_folder_that_is_not_there_is_wrong(tmp_path: Path) -> None:
    finding, folder = check_folder(config_of(tmp_path / "absent"))
    assert (finding.state, folder) == (State.WRONG, None)
    finding, _ = check_folder(parse_config({"model": "no-one/has-pulled-this"}, "test"))
    assert finding.state is State.WRONG
    assert finding.remedy == "expertmesh pull no-one/has-pulled-this"


def test_a_file_that_was_cut_is_wrong(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    finding = check_checkpoint(folder)
    assert finding.state is State.WRONG
    assert "model.safetensors" in finding.found


def test_a_tokenizer_without_a_mark_is_wrong(folder: Path) -> None:
    file = folder / "tokenizer.json"
    file.write_text(file.read_text().replace("<|call|>", "<|cell|>"))
    finding = check_tokenizer(folder, config_of(folder))
    assert finding.state is State.WRONG
    assert "lacks <|call|>" in finding.found


def test_hashes_are_those_that_were_published(folder: Path) -> None:
    assert check_hashes(folder).state is State.UNCHECKED
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    published = tuple(
        PublishedFile(path.name, path.stat().st_size, digest_file(path, DigestKind.SHA256, lambda _: None))
        for path in files
    )
    Manifest("owner/name", "main", "0" * 40, published).write(folder)
    finding = check_hashes(folder)
    assert finding.state is State.OK
    assert finding.found.startswith(f"{len(files)} files as owner/name@")
    damaged = bytearray((folder / "config.json").read_bytes())
    damaged[-2] ^= 1
    (folder / "config.json").write_bytes(damaged)
    finding = check_hashes(folder)
    assert finding.state is State.WRONG
    assert "config.json has " in finding.found
