import json
from pathlib import Path

import pytest

from gateway.harmony.vocabulary import HarmonyVocabulary
from model.tokenizer import Tokenizer
from model.tokenizer.harmony_marks import MARK_TO_NAME
from protos.errors import TokenizerError
from tests.model.tokenizer.small import VOCAB_SIZE, write_small


def opened(folder: Path, without: frozenset[str] = frozenset(), stops: list[str] | None = None) -> Tokenizer:
    write_small(folder)
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text())
    name_to_id = {each["content"]: each["id"] for each in document["added_tokens"]}
    document["added_tokens"] = [each for each in document["added_tokens"] if each["content"] not in without]
    path.write_text(json.dumps(document))
    if stops is not None:
        stop_ids = [name_to_id[name] for name in stops]
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": stop_ids}))
    return Tokenizer.open(folder, VOCAB_SIZE)


def test_it_knows_the_bytes_of_every_token_and_the_names_of_marks(small: HarmonyVocabulary) -> None:
    assert len(small.pieces) == VOCAB_SIZE
    assert [small.pieces[token_id] for token_id in small.tokenizer.encode("the é")] == [
        b"the",
        b" ",
        b"\xc3",
        b"\xa9",
    ]
    assert small.pieces[small.marks.start] == b""
    assert small.name_of(small.marks.start) == "<|start|>"
    assert small.name_of(-7) == "token -7"


def test_a_tokenizer_without_marks_is_refused(tmp_path: Path) -> None:
    tokenizer = opened(tmp_path, frozenset(MARK_TO_NAME.values()), stops=["<|endoftext|>"])
    with pytest.raises(TokenizerError, match=r"has none of harmony's special tokens .* no gpt-oss model"):
        HarmonyVocabulary.of(tokenizer)


def test_a_tokenizer_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    tokenizer = opened(tmp_path, frozenset({"<|constrain|>"}))
    with pytest.raises(TokenizerError, match=r"lacks <\|constrain\|>"):
        HarmonyVocabulary.of(tokenizer)


@pytest.mark.parametrize("stops", [["<|return|>"], ["<|call|>", "<|endoftext|>"]])
def test_answers_must_end(tmp_path: Path, stops: list[str]) -> None:
    with pytest.raises(TokenizerError, match=r"is not among the stop tokens .* answers would not end"):
        HarmonyVocabulary.of(opened(tmp_path, stops=stops))


def test_reasoning_must_not_end_answers(tmp_path: Path) -> None:
    tokenizer = opened(tmp_path, stops=["<|return|>", "<|call|>", "<|end|>"])
    with pytest.raises(TokenizerError, match=r"<\|end\|> .* is among the stop tokens"):
        HarmonyVocabulary.of(tokenizer)
