from pathlib import Path

import pytest

from model.tokenizer import Tokenizer
from tests.workers.engine.tiny_engine import SPOKEN, write_spoken_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_spoken_model(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.open(folder, SPOKEN.vocab_size)
