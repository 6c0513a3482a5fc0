import json
from pathlib import Path

import pytest

from model.tokenizer import HarmonyMarks, Tokenizer
from model.tokenizer.harmony_marks import MARK_TO_NAME
from protos.errors import TokenizerError
from tests.model.tokenizer.small import VOCAB_SIZE, write_small


def open_without(folder: Path, names: set[str]) -> Tokenizer:
    write_small(folder)
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text())
    document["added_tokens"] = [each for each in document["added_tokens"] if each["content"] not in names]
    path.write_text(json.dumps(document))
    (folder / "generation_config.json").write_text('{"eos_token_id": 9}')
    return Tokenizer.open(folder, VOCAB_SIZE)


def test_the_marks_are_found_by_name(tokenizer: Tokenizer) -> None:
    marks = HarmonyMarks.of(tokenizer)
    assert marks is not None
    assert {mark: tokenizer.special_ids[name] for mark, name in MARK_TO_NAME.items()} == {
        mark: getattr(marks, mark) for mark in MARK_TO_NAME
    }
    assert marks.return_ == tokenizer.special_ids["<|return|>"]


def test_analysis_is_closed_by_five_marks_and_two_words(tokenizer: Tokenizer) -> None:
    marks = HarmonyMarks.of(tokenizer)
    assert marks is not None
    assert marks.closing_of_analysis == (
        marks.end,
        marks.start,
        *tokenizer.encode("assistant"),
        marks.channel,
        *tokenizer.encode("final"),
        marks.message,
    )


def test_a_vocabulary_without_them_has_no_marks(tmp_path: Path) -> None:
    tokenizer = open_without(tmp_path, set(MARK_TO_NAME.values()))
    assert set(tokenizer.special_ids) == {"<|startoftext|>", "<|endoftext|>"}
    assert HarmonyMarks.of(tokenizer) is None


@pytest.mark.parametrize("name", MARK_TO_NAME.values())
def test_a_vocabulary_with_some_of_them_is_refused(tmp_path: Path, name: str) -> None:
    tokenizer = open_without(tmp_path, {name})
    with pytest.raises(TokenizerError) as caught:
        HarmonyMarks.of(tokenizer)
    assert f"lacks {name}; it needs all 7 or none" in str(caught.value)
