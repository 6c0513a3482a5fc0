from pathlib import Path

import pytest

from model.tokenizer.byte_tokenizer import write_byte_tokenizer
from model.tokenizer.tokenizer import Tokenizer
from tests.workers.engine.tiny_engine import SPOKEN, write_spoken_model


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder: Path = tmp_path_factory.mktemp("tokenizer of the classifier")
    write_byte_tokenizer(folder, SPOKEN.vocab_size)
    return Tokenizer.open(folder, SPOKEN.vocab_size)


@pytest.fixture(scope="session")
def spoken_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("spoken for the classifier")
    write_spoken_model(folder)
    return folder
