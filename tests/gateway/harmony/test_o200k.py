"""That our tokenizer, on a tokenizer.json built from the ranks, is gpt-oss's: token for token."""

import pytest
from hypothesis import HealthCheck, given, settings

from gateway.harmony.vocabulary import HarmonyVocabulary
from tests.gateway.harmony.generated import TEXTS
from tests.gateway.harmony.oracle import Oracle
from tests.o200k import NAME_TO_ID, STOP_NAMES, VOCAB_SIZE
from tools import o200k as vocabulary_tool

pytestmark = pytest.mark.xdist_group("o200k")  # one process holds the vocabulary


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, TEXTS)
def test_text_becomes_the_same_tokens(o200k: HarmonyVocabulary, oracle: Oracle, one: str, other: str) -> None:
    text = one + other
    token_ids = o200k.tokenizer.encode(text)
    assert token_ids == oracle.encode(text)
    assert o200k.tokenizer.decode(token_ids) == text


def test_control_tokens_have_the_same_ids(o200k: HarmonyVocabulary, oracle: Oracle) -> None:
    assert all(o200k.tokenizer.special_ids[name] == number for name, number in NAME_TO_ID.items())
    assert all(oracle.encode_with_specials(name) == [number] for name, number in NAME_TO_ID.items())
    assert o200k.tokenizer.stop_ids == {NAME_TO_ID[name] for name in STOP_NAMES}
    assert len(o200k.pieces) == VOCAB_SIZE


def test_the_file_is_fetched_once(o200k: HarmonyVocabulary) -> None:
    path = vocabulary_tool.FOLDER / vocabulary_tool.FILE_NAME
    before = path.stat().st_mtime_ns
    assert vocabulary_tool.fetch() == path
    assert path.stat().st_mtime_ns == before
    assert o200k.pieces[0] == b"!"
