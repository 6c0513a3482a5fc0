import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import ByteLevel

from model.tokenizer.byte_alphabet import BYTE_TO_CHARACTER, spell, unspell


def test_it_is_the_alphabet_of_the_field() -> None:
    assert set(BYTE_TO_CHARACTER.values()) == set(ByteLevel.alphabet())
    assert sorted(BYTE_TO_CHARACTER) == list(range(256))
    assert spell(" é\n".encode()) == "ĠÃ©Ċ"


@given(token=st.binary())
def test_a_spelling_leads_back(token: bytes) -> None:
    assert unspell(spell(token)) == token


def test_a_stranger_is_named() -> None:
    with pytest.raises(ValueError, match="'▁' stands for no byte"):
        unspell("ab▁")
