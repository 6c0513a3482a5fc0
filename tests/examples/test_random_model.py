import sys
from pathlib import Path

import pytest

from examples import random_model
from examples.own_folder import refuse_foreign
from model.tokenizer import Tokenizer
from protos.errors import ConfigError


def test_it_speaks_and_repeats_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["random_model", "--folder", str(tmp_path / "model")])
    random_model.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("This is a gpt-oss with random weights")
    words = [line.split() for line in lines]
    spoken = [word for row in words for word in row if all(map(str.isdigit, row))]
    assert len(spoken) == random_model.NEW_TOKENS
    assert len(set(spoken)) > random_model.NEW_TOKENS // 2  # not one token over and over
    assert "the same 48 tokens" in lines[-1]
    tokenizer = Tokenizer.open(tmp_path / "model", random_model.SMALL.vocab_size)
    ids = range(tokenizer.vocab_size)
    assert all(tokenizer.token_bytes(token_id) or tokenizer.is_special(token_id) for token_id in ids)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("mine")
    with pytest.raises(ConfigError, match="name another --folder"):
        refuse_foreign(tmp_path, random_model.is_ours, "--folder")
    refuse_foreign(tmp_path / "new", random_model.is_ours, "--folder")
    (tmp_path / "model.safetensors").touch()
    assert not random_model.is_ours(tmp_path)
    random_model.write(tmp_path)
    refuse_foreign(tmp_path, random_model.is_ours, "--folder")
