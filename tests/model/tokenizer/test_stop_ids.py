import json
from pathlib import Path

import pytest

from model.tokenizer import Tokenizer
from protos.errors import TokenizerError
from tests.model.tokenizer.small import NUM_TEXT_TOKENS, VOCAB_SIZE, write_small


def open_with(folder: Path, generation_config: object) -> Tokenizer:
    write_small(folder)
    (folder / "generation_config.json").write_text(json.dumps(generation_config))
    return Tokenizer.open(folder, VOCAB_SIZE)


def test_one_stop_token_may_stand_without_a_list(tmp_path: Path) -> None:
    assert open_with(tmp_path, {"eos_token_id": NUM_TEXT_TOKENS + 1}).stop_ids == {NUM_TEXT_TOKENS + 1}


def test_a_stop_token_may_be_text(tmp_path: Path) -> None:
    found = open_with(tmp_path, {"eos_token_id": [5, NUM_TEXT_TOKENS], "do_sample": True})
    assert found.stop_ids == {5, NUM_TEXT_TOKENS}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "eos_token_id is None; .* no sequence would ever end"),
        ([], r"eos_token_id is \[\]; "),
        ("<|end|>", "eos_token_id is '<|end|>'; the model's vocabulary has the tokens 0 to 298"),
        ([3, True], "eos_token_id is True"),
        ([3, VOCAB_SIZE], "eos_token_id is 299"),
        ([3, -1], "eos_token_id is -1"),
        ([3, VOCAB_SIZE - 1], "the stop token 298 has no entry in tokenizer.json"),
    ],
)
def test_stop_tokens_that_cannot_be_are_refused(tmp_path: Path, value: object, reason: str) -> None:
    with pytest.raises(TokenizerError, match=reason) as caught:
        open_with(tmp_path, {"eos_token_id": value})
    assert str(tmp_path / "generation_config.json") in str(caught.value)
