"""A tiny model written in both layouts, and a copy that a test may spoil."""

from pathlib import Path

import pytest

from model.checkpoint.layouts import HUGGING_FACE, ORIGINAL
from model.checkpoint.writer import write_checkpoint
from model.dummy import dummy_weights
from model.weights import ModelWeights
from tests.model.tiny_model import TINY


@pytest.fixture(scope="module")
def whole() -> ModelWeights:
    return dummy_weights(TINY, seed=3)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory, whole: ModelWeights) -> Path:
    """A folder as it is released: the Hugging Face layout in several files, the original one below it."""
    folder = tmp_path_factory.mktemp("release")
    write_checkpoint(TINY, whole, folder, layout=HUGGING_FACE, max_file_bytes=300_000)
    write_checkpoint(TINY, whole, folder / "original", layout=ORIGINAL)
    return folder


@pytest.fixture
def damaged(tmp_path: Path, whole: ModelWeights) -> Path:
    """A folder with one file, for a test to damage."""
    write_checkpoint(TINY, whole, tmp_path)
    return tmp_path
