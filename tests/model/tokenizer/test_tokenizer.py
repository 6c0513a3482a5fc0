"""Held to the package `tokenizers`, which reads the same file by itself."""

from pathlib import Path

import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.tokenizer import Tokenizer
from model.tokenizer.byte_tokenizer import SPECIAL_NAMES, STOP_NAMES, write_byte_tokenizer
from protos.errors import InvalidRequestError
from tests.model.tokenizer.small import MERGES, NUM_TEXT_TOKENS, VOCAB_SIZE, open_small, write_small

SNIPPETS = (
    "the ",
    "then",
    "in an",
    "  ",
    "    ",
    "\n",
    "\0",
    "🙂",
    "👨\u200d👩",
    "\u0301",
    "12",
    '{"',
    "漢",
    "<|",
)
TEXTS = st.lists(
    st.one_of(st.sampled_from(SNIPPETS + SPECIAL_NAMES), st.text(st.characters(codec="utf-8"), max_size=5)),
    max_size=9,
).map("".join)


@pytest.fixture(scope="module")
def peer(folder: Path, tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    assert tokenizer.vocab_size == VOCAB_SIZE
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


@settings(deadline=None)
@given(text=TEXTS)
@example(text="")
@example(text=" " * 5001)
@example(text="<|end|><|end|>")
def test_text_is_encoded_as_the_peer_does_and_comes_back(
    tokenizer: Tokenizer, peer: tokenizers.Tokenizer, text: str
) -> None:
    peer.encode_special_tokens = True  # it then takes their names for text
    token_ids = tokenizer.encode(text)
    assert token_ids == peer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(token_ids) == text
    assert not any(map(tokenizer.is_special, token_ids))


@settings(deadline=None)
@given(text=TEXTS)
@example(text="a<|start|><|end|>b<|endoftext|")
def test_names_of_specials_are_recognised_as_the_peer_does(
    tokenizer: Tokenizer, peer: tokenizers.Tokenizer, text: str
) -> None:
    peer.encode_special_tokens = False
    assert tokenizer.encode_with_specials(text) == peer.encode(text, add_special_tokens=False).ids


@settings(deadline=None)
@given(token_ids=st.lists(st.integers(0, NUM_TEXT_TOKENS + len(SPECIAL_NAMES) - 1), max_size=20))
def test_any_tokens_are_decoded_as_the_peer_does(
    tokenizer: Tokenizer, peer: tokenizers.Tokenizer, token_ids: list[int]
) -> None:
    joined = b"".join(tokenizer.token_bytes(token_id) for token_id in token_ids)
    assert tokenizer.decode(token_ids) == joined.decode("utf-8", errors="replace")
    assert tokenizer.decode(token_ids) == peer.decode(token_ids, skip_special_tokens=True)


def test_every_id_has_its_bytes_and_only_control_tokens_have_none(
    tokenizer: Tokenizer, peer: tokenizers.Tokenizer
) -> None:
    vocabulary = peer.get_vocab(with_added_tokens=True)
    assert dict(tokenizer.special_ids) == {name: vocabulary[name] for name in SPECIAL_NAMES}
    silent = [token_id for token_id in range(VOCAB_SIZE) if not tokenizer.token_bytes(token_id)]
    assert silent == list(range(NUM_TEXT_TOKENS, VOCAB_SIZE))
    special = [token_id for token_id in range(VOCAB_SIZE) if tokenizer.is_special(token_id)]
    assert special == sorted(tokenizer.special_ids.values())
    assert sorted(map(tokenizer.token_bytes, range(256))) == [bytes([byte]) for byte in range(256)]


def test_the_stop_tokens_are_those_of_the_file(tokenizer: Tokenizer) -> None:
    assert tokenizer.stop_ids == {tokenizer.special_ids[name] for name in STOP_NAMES}
    assert len(tokenizer.stop_ids) == 3


def test_nobody_can_add_a_special(tokenizer: Tokenizer) -> None:
    with pytest.raises(TypeError):
        tokenizer.special_ids["<|mine|>"] = 3  # type: ignore[index]


@pytest.mark.parametrize("text", ["ab\ud800", "ab\udc00c"])
def test_half_a_character_is_refused(tokenizer: Tokenizer, text: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"U\+D[8C]00, at character 2"):
        tokenizer.encode(text)
    with pytest.raises(InvalidRequestError, match="at character 2"):
        tokenizer.encode_with_specials(text)


def test_the_fingerprint_is_that_of_what_ids_mean(tmp_path: Path, tokenizer: Tokenizer) -> None:
    same, merged, renamed = (tmp_path / name for name in ("same", "merged", "renamed"))
    assert open_small(same).fingerprint() == tokenizer.fingerprint()
    write_byte_tokenizer(merged, VOCAB_SIZE, (*MERGES[:-1], (b"o", b"o")))
    write_small(renamed)
    file = renamed / "tokenizer.json"
    file.write_text(file.read_text().replace("<|startoftext|>", "<|beginning|>"))
    others = {Tokenizer.open(folder, VOCAB_SIZE).fingerprint() for folder in (merged, renamed)}
    assert len(others | {tokenizer.fingerprint()}) == 3
