from pathlib import Path

import pytest

from model.tokenizer import HarmonyMarks, Tokenizer
from model.tokenizer.byte_tokenizer import SPECIAL_NAMES, write_byte_tokenizer
from protos.errors import ConfigError


def test_the_smallest_has_the_bytes_and_the_specials(tmp_path: Path) -> None:
    write_byte_tokenizer(tmp_path / "new", 265)
    tokenizer = Tokenizer.open(tmp_path / "new", 265)
    assert tokenizer.special_ids == {name: 256 + index for index, name in enumerate(SPECIAL_NAMES)}
    assert HarmonyMarks.of(tokenizer) is not None
    assert len(tokenizer.encode("thé")) == 4


def test_merges_shorten_what_is_encoded(tmp_path: Path) -> None:
    write_byte_tokenizer(tmp_path, 280, [(b"t", b"h"), (b"\xc3", b"\xa9"), (b"th", b"\xc3\xa9")])
    tokenizer = Tokenizer.open(tmp_path, 280)
    (token_id,) = tokenizer.encode("thé")
    assert token_id == 258
    assert tokenizer.token_bytes(token_id) == "thé".encode()
    assert tokenizer.special_ids[SPECIAL_NAMES[0]] == 259
    assert tokenizer.token_bytes(279) == b""


@pytest.mark.parametrize(("vocab_size", "num_merges"), [(264, 0), (266, 2)])
def test_what_does_not_fit_is_refused(tmp_path: Path, vocab_size: int, num_merges: int) -> None:
    merges = [(b"a", b"b"), (b"ab", b"c")][:num_merges]
    with pytest.raises(ConfigError, match=f"make {265 + num_merges} tokens; the model has {vocab_size}"):
        write_byte_tokenizer(tmp_path, vocab_size, merges)
    assert list(tmp_path.iterdir()) == []
