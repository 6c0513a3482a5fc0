from pathlib import Path

import pytest

from model.tokenizer import Tokenizer
from tests.model.tokenizer.small import open_small


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return open_small(folder)
