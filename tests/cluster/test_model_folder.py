"""Finding a model without a network: a folder, or what an earlier pull left in the hub's cache."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from cluster.model_folder import find_model
from model.hub.digest import Digest
from model.hub.manifest import Manifest, PublishedFile
from protos.errors import ConfigError, HubError, HubOfflineError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of openai/gpt-oss-20b, with one file, as `expertmesh pull` leaves it."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--openai--gpt-oss-20b"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    snapshot = repository / "snapshots" / COMMIT
    files = (PublishedFile("config.json", 2, Digest.parse(f"sha256:{'0' * 64}")),)
    Manifest("openai/gpt-oss-20b", "main", COMMIT, files).write(snapshot)
    (snapshot / "config.json").write_text("{}")
    return snapshot


def test_a_folder_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpt-oss-20b").mkdir()
    assert find_model(str(tmp_path)) == tmp_path
    monkeypatch.chdir(tmp_path)
    assert find_model("gpt-oss-20b") == Path("gpt-oss-20b")


@pytest.mark.parametrize("name", ["gpt-oss-20b", "openai/gpt-oss-20b@main", f"openai/gpt-oss-20b@{COMMIT}"])
def test_a_pulled_model_is_found_by_its_names(snapshot: Path, name: str) -> None:
    assert find_model(name) == snapshot


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("{")])
def test_a_model_that_is_not_whole_is_refused(snapshot: Path, damage: object) -> None:
    assert callable(damage)
    damage(snapshot / "config.json")
    with pytest.raises(
        HubOfflineError, match=r"config\.json is missing or cut; run `expertmesh pull gpt-oss"
    ):
        find_model("gpt-oss-20b")


def test_what_nobody_pulled_is_refused(snapshot: Path) -> None:
    with pytest.raises(HubOfflineError, match="run `expertmesh pull gpt-oss-120b` first"):
        find_model("gpt-oss-120b")
    with pytest.raises(HubError, match="'no-such' is not the name of a model"):
        find_model("no-such")
    assert snapshot.is_dir()


def test_a_path_is_not_taken_for_a_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="does not exist"):
        find_model(str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match="file is not a folder"):
        find_model(str(tmp_path / "file"))
