from pathlib import Path

import pytest

from model.local_model import LocalModel
from model.tokenizer import Tokenizer
from tests.workers.engine.tiny_engine import SPOKEN, load_deterministic, write_spoken_model


@pytest.fixture(scope="session")
def spoken_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken")
    write_spoken_model(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(spoken_folder: Path) -> LocalModel:
    return load_deterministic(spoken_folder)


@pytest.fixture(scope="session")
def tokenizer(spoken_folder: Path) -> Tokenizer:
    return Tokenizer.open(spoken_folder, SPOKEN.vocab_size)
