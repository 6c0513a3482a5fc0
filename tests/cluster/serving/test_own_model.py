"""What a gateway knows of its model: the name by which it is asked for, and a tokenizer that is whole."""

import json
from pathlib import Path

import pytest

from cluster.config.config_file import parse_config
from cluster.serving.own_model import OwnModel, served_name
from model.tokenizer.byte_tokenizer import SPECIAL_NAMES
from protos.errors import TokenizerError


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-oss-20b", "gpt-oss-20b"),
        ("openai/gpt-oss-120b@v1", "gpt-oss-120b"),
        ("./fine-tune/", "fine-tune"),
    ],
)
def test_the_name_is_the_last_part(
    model: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fine-tune").mkdir()
    monkeypatch.chdir(tmp_path)
    assert served_name(parse_config({"model": model}, "test")) == name


def test_another_name_may_be_given() -> None:
    assert served_name(parse_config({"model": "m", "gateway": {"model_name": "oss"}}, "test")) == "oss"


def test_weights_need_not_be_there(spoken_folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "generation_config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((spoken_folder / name).read_bytes())
    config = parse_config({"model": str(tmp_path)}, "test")
    own = OwnModel.open(tmp_path, config)
    assert own.vocabulary == OwnModel.open(spoken_folder, config).vocabulary
    (tmp_path / "generation_config.json").unlink()
    with pytest.raises(TokenizerError, match=r"generation_config.json does not exist"):
        OwnModel.open(tmp_path, config)


def test_stop_tokens_must_end_answers(spoken_folder: Path, tmp_path: Path) -> None:
    """It is found out here, and not when the weights have been loaded."""
    for name in ("config.json", "generation_config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((spoken_folder / name).read_bytes())
    document = json.loads((tmp_path / "generation_config.json").read_text())
    own = OwnModel.open(tmp_path, parse_config({"model": str(tmp_path)}, "test"))
    document["eos_token_id"].remove(own.tokenizer.special_ids["<|return|>"])
    (tmp_path / "generation_config.json").write_text(json.dumps(document))
    with pytest.raises(TokenizerError, match=r"<\|return\|> .* is not among the stop tokens") as caught:
        OwnModel.open(tmp_path, parse_config({"model": str(tmp_path)}, "test"))
    assert str(tmp_path) in str(caught.value), "whose they are"


def test_without_harmony_no_chat_can_be_served(spoken_folder: Path, tmp_path: Path) -> None:
    for path in spoken_folder.iterdir():
        text = path.read_bytes()
        for name in SPECIAL_NAMES:
            text = text.replace(name.encode(), name.encode().replace(b"|", b"!"))
        (tmp_path / path.name).write_bytes(text)
    with pytest.raises(TokenizerError, match="has none of harmony's special tokens"):
        OwnModel.open(tmp_path, parse_config({"model": str(tmp_path)}, "test"))
