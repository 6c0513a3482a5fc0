from collections.abc import Iterator

import pytest

from model.tokenizer import Tokenizer
from tests.model.tokenizer.small import open_small
from workers.grammar.compiler import GrammarCompiler
from workers.grammar.masks import MaskFiller


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return open_small(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def compiler(tokenizer: Tokenizer) -> Iterator[GrammarCompiler]:
    compiler = GrammarCompiler(tokenizer)
    yield compiler
    compiler.close()


@pytest.fixture(scope="session")
def filler() -> Iterator[MaskFiller]:
    filler = MaskFiller(num_threads=2)
    yield filler
    filler.close()
