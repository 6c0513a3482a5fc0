"""The script as a whole, with a recipe that takes seconds: what it writes, and what it leaves alone."""

from pathlib import Path

import pytest

from examples.demo import train
from examples.demo.card import CARD_NAME, card
from examples.demo.scores import SCORES_NAME, read_scores, read_training
from examples.demo.seal import is_demo
from examples.own_folder import refuse_foreign
from model.hub.manifest import verify
from protos.errors import ConfigError
from tests.examples.demo.test_training import TINY
from tests.model.runner import load_float32


def test_it_writes_a_model_with_its_card_and_its_hashes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new"
    train.make_model(TINY, folder, held_out_per_task=2)
    assert load_float32(folder)[0] == TINY.config
    assert {file.path for file in verify(folder).files} >= {"model.safetensors", "tokenizer.json"}
    scores, training = read_scores(folder / SCORES_NAME), read_training(folder / SCORES_NAME)
    assert (folder / CARD_NAME).read_text(encoding="utf-8") == card(TINY, training, scores)
    assert training.num_steps == TINY.num_steps
    assert all(score.num_asked == 2 for score in scores.tasks)
    said = capsys.readouterr().out
    assert f"of {TINY.num_steps}  loss" in said
    assert "malformed" in said  # the scores
    refuse_foreign(folder, is_demo, "--out")


def test_a_model_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("mine")
    with pytest.raises(ConfigError, match="holds no model of an earlier run; name another --out"):
        train.make_model(TINY, tmp_path)
    assert (tmp_path / "tokenizer.json").read_text() == "mine"
