from pathlib import Path

import pytest

from model.tokenizer import Tokenizer
from tests.gateway.http_face.running_face import byte_tokenizer


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder: Path = tmp_path_factory.mktemp("byte-tokenizer")
    return byte_tokenizer(folder)
