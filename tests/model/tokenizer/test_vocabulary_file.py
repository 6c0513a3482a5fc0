"""Files that are absent, damaged, or another kind of tokenizer; and what a sound one may hold besides."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.tokenizer import Tokenizer
from protos.errors import TokenizerError
from tests.model.tokenizer.small import NUM_TEXT_TOKENS, VOCAB_SIZE, open_small, write_small

Document = dict[str, Any]
Change = Callable[[Document], object]


def change(folder: Path, edit: Change) -> Path:
    write_small(folder)
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
    return path


def set_added(index: int, **values: object) -> Change:
    return lambda document: document["added_tokens"][index].update(values)


def set_vocab(spelling: str, token_id: object) -> Change:
    return lambda document: document["model"]["vocab"].update({spelling: token_id})


REFUSED: dict[str, tuple[Change, str]] = {
    "unigram": (
        lambda d: d["model"].update(type="Unigram"),
        "tokenizer is 'Unigram'; .* byte-level BPE only",
    ),
    "byte_fallback": (lambda d: d["model"].update(byte_fallback=True), "is BPE with byte_fallback"),
    "no model": (lambda d: d.pop("model"), "model is None, expected an object"),
    "metaspace": (lambda d: d.update(pre_tokenizer={"type": "Metaspace"}), "pre_tokenizer has no ByteLevel"),
    "no decoder": (lambda d: d.update(decoder=None), "decoder has no ByteLevel step"),
    "list": (lambda d: d["model"].update(vocab=[]), "model.vocab is \\[\\], expected an object"),
    "not our letters": (set_vocab("▁the", 290), "model.vocab\\['▁the'\\]: '▁' stands for no byte"),
    "byte missing": (lambda d: d["model"]["vocab"].pop("Ā"), "no token for the byte 0x00"),
    "id too large": (set_vocab("xyz", VOCAB_SIZE), "is 299; the model's vocabulary has the tokens 0 to 298"),
    "id negative": (set_vocab("xyz", -1), "is -1; the model's"),
    "id no number": (set_vocab("xyz", True), "is True; the model's"),
    "id twice": (set_vocab("xyz", 7), "is 7, which another token has too"),
    "special takes a token's id": (
        set_added(2, id=7),
        "model.vocab\\[.*\\] is 7, which another token has too",
    ),
    "special twice": (
        set_added(3, content="<|startoftext|>"),
        "gives '<.startoftext.>' or the id \\d+ again",
    ),
    "special's id twice": (set_added(3, id=NUM_TEXT_TOKENS), f"or the id {NUM_TEXT_TOKENS} again"),
    "special's id too large": (set_added(4, id=1000), "added_tokens\\[4\\].id is 1000"),
    "special without name": (set_added(4, content=""), "added_tokens\\[4\\].content is '', expected text"),
    "special that eats spaces": (set_added(5, lstrip=True), "added_tokens\\[5\\] has lstrip"),
    "added tokens": (lambda d: d.update(added_tokens={"a": 1}), "added_tokens is {'a': 1}, expected a list"),
    "merge of nothing": (lambda d: d["model"]["merges"].append(["x", "no such"]), "not a usable tokenizer"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, name: str) -> None:
    edit, reason = REFUSED[name]
    path = change(tmp_path, edit)
    with pytest.raises(TokenizerError, match=reason) as caught:
        Tokenizer.open(tmp_path, VOCAB_SIZE)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", ["tokenizer.json", "generation_config.json"])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.unlink(), "does not exist; .* holds tokenizer.json and generation_config.json"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "is not valid JSON"),
        (lambda path: path.write_text("[]"), "is not valid JSON: it holds list"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
    ],
    ids=["absent", "cut short", "a list", "a folder"],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, name: str, damage: Callable[[Path], object], reason: str
) -> None:
    write_small(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(TokenizerError, match=reason) as caught:
        Tokenizer.open(tmp_path, VOCAB_SIZE)
    assert str(tmp_path / name) in str(caught.value)


def test_a_vocabulary_larger_than_the_model_is_refused(tmp_path: Path) -> None:
    write_small(tmp_path)
    with pytest.raises(TokenizerError, match=r"belongs to another model"):
        Tokenizer.open(tmp_path, NUM_TEXT_TOKENS + 3)


def test_truncation_and_padding_of_a_fine_tune_do_not_touch_prompts(tmp_path: Path) -> None:
    def edit(document: Document) -> None:
        document["truncation"] = {
            "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0
        }  # fmt: skip
        document["padding"] = {
            "strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "x",
        }  # fmt: skip

    change(tmp_path, edit)
    tokenizer = Tokenizer.open(tmp_path, VOCAB_SIZE)
    assert tokenizer.decode(tokenizer.encode("xyz" * 5)) == "xyz" * 5
    assert len(tokenizer.encode("xyz")) == 3


def test_an_added_token_that_is_not_special_is_text(tmp_path: Path) -> None:
    change(tmp_path, set_added(3, content="▁word", special=False))
    tokenizer = Tokenizer.open(tmp_path, VOCAB_SIZE)
    token_id = NUM_TEXT_TOKENS + 3
    assert tokenizer.token_bytes(token_id) == "▁word".encode()
    assert not tokenizer.is_special(token_id)
    assert tokenizer.encode("a▁wordb")[1] == token_id


def test_a_special_may_stand_in_the_vocabulary_too(tmp_path: Path) -> None:
    special_ids = open_small(tmp_path).special_ids

    def edit(document: Document) -> None:
        document["model"]["vocab"].update(special_ids)
        document["model"]["ignore_merges"] = True  # a whole text that has an entry becomes that token
        document["pre_tokenizer"]["use_regex"] = False

    change(tmp_path, edit)
    tokenizer = Tokenizer.open(tmp_path, VOCAB_SIZE)
    assert tokenizer.special_ids == special_ids
    assert tokenizer.token_bytes(special_ids["<|end|>"]) == b""
    assert special_ids["<|end|>"] not in tokenizer.encode("<|end|>")


def test_a_vocabulary_without_specials_is_possible(tmp_path: Path) -> None:
    change(tmp_path, lambda document: document.update(added_tokens=[]))
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": 17}')
    tokenizer = Tokenizer.open(tmp_path, VOCAB_SIZE)
    assert tokenizer.encode_with_specials("<|end|>") == tokenizer.encode("<|end|>")


def test_ids_without_an_entry_shift_no_other(tmp_path: Path) -> None:
    change(tmp_path, set_vocab("th", 297))
    tokenizer = Tokenizer.open(tmp_path, VOCAB_SIZE)
    assert tokenizer.encode("th") == [297]
    assert tokenizer.token_bytes(256) == b""
    assert tokenizer.encode(" 256") == [*tokenizer.encode(" "), *tokenizer.encode("256")]


def test_the_longer_of_two_names_is_found(tmp_path: Path) -> None:
    change(
        tmp_path,
        lambda document: (set_added(3, content="<|a")(document), set_added(4, content="<|a|>")(document)),
    )
    tokenizer = Tokenizer.open(tmp_path, VOCAB_SIZE)
    shorter, longer = NUM_TEXT_TOKENS + 3, NUM_TEXT_TOKENS + 4
    assert tokenizer.encode_with_specials("<|a|><|a>") == [longer, shorter, *tokenizer.encode(">")]
