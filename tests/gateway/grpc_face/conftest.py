from pathlib import Path

import pytest

from model.tokenizer.byte_tokenizer import write_byte_tokenizer
from model.tokenizer.tokenizer import Tokenizer
from tests.gateway.grpc_face.served import VOCAB_SIZE


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder: Path = tmp_path_factory.mktemp("tokenizer of the gRPC face")
    write_byte_tokenizer(folder, VOCAB_SIZE)
    return Tokenizer.open(folder, VOCAB_SIZE)
