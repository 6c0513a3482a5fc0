"""The two vocabularies: gpt-oss's own, where openai-harmony is the oracle, and a small one of bytes and
merges."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.harmony.vocabulary import HarmonyVocabulary
from model.tokenizer import Tokenizer
from tests.gateway.harmony.oracle import Oracle
from tests.model.tokenizer.small import open_small
from tests.o200k import VOCAB_SIZE, require_o200k
from workers.grammar.compiler import GrammarCompiler


@pytest.fixture(scope="session")
def o200k_folder() -> Path:
    return require_o200k()


@pytest.fixture(scope="session")
def o200k(o200k_folder: Path) -> HarmonyVocabulary:
    return HarmonyVocabulary.of(Tokenizer.open(o200k_folder, VOCAB_SIZE))


@pytest.fixture(scope="session")
def oracle(o200k_folder: Path) -> Oracle:
    return Oracle(o200k_folder)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> HarmonyVocabulary:
    return HarmonyVocabulary.of(open_small(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="session", params=["small", "o200k"])
def vocabulary(request: pytest.FixtureRequest) -> HarmonyVocabulary:
    """Either."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, HarmonyVocabulary)
    return found


@pytest.fixture(scope="session")
def compiler(vocabulary: HarmonyVocabulary) -> Iterator[GrammarCompiler]:
    compiler = GrammarCompiler(vocabulary.tokenizer)
    yield compiler
    compiler.close()
