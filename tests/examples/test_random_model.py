import sys
from pathlib import Path

import pytest

from examples import random_model


def test_it_speaks_and_repeats_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["random_model", "--folder", str(tmp_path / "model")])
    random_model.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("There is no server yet.")
    words = [line.split() for line in lines]
    spoken = [word for row in words for word in row if all(map(str.isdigit, row))]
    assert len(spoken) == random_model.NEW_TOKENS
    assert len(set(spoken)) > random_model.NEW_TOKENS // 2  # not one token over and over
    assert "the same 48 tokens" in lines[-1]
