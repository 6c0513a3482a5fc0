"""Offline: nothing is asked of the network, and what is not whole is said to be so."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from model.hub.layout import Layout
from model.hub.manifest import verify
from model.hub.pull import PulledModel, pull
from model.hub.reference import ModelReference
from model.hub.settings import HubSettings
from protos.errors import HubOfflineError, HubUnreachableError
from tests.model.hub.hub_models import FIRST_SHARD, SECOND_SHARD, repository_files
from tests.model.hub.hub_server import FIRST_COMMIT, REPOSITORY, SECOND_COMMIT, HubServer

MODEL = ModelReference(REPOSITORY)


def pull_offline(
    hub: HubServer,
    settings: HubSettings,
    destination: Path | None = None,
    *,
    revision: str = "main",
    layout: Layout = Layout.HUGGING_FACE,
) -> PulledModel:
    """Pull with the network forbidden; the hub, which is there, must hear nothing."""
    num_requests = len(hub.requests)
    reference = ModelReference(REPOSITORY, revision)
    try:
        return pull(reference, destination, layout, settings=replace(settings, offline=True))
    finally:
        assert len(hub.requests) == num_requests


def interrupt_a_pull(hub: HubServer, settings: HubSettings) -> None:
    hub.troubles.path_to_cuts[SECOND_SHARD] = [100]
    with pytest.raises(HubUnreachableError):
        pull(MODEL, settings=replace(settings, num_attempts=1))


@pytest.mark.parametrize("revision", ["main", FIRST_COMMIT])
def test_whole_model_in_the_cache_is_returned(hub: HubServer, settings: HubSettings, revision: str) -> None:
    online = pull(MODEL, settings=settings)
    assert pull_offline(hub, settings, revision=revision).folder == online.folder


def test_environment_of_huggingface_hub_is_honoured(
    hub: HubServer, settings: HubSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = pull(MODEL, settings=settings)
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert pull(MODEL, settings=settings).folder == online.folder
    assert hub.requests == []


def test_model_that_was_never_pulled_says_how_to_bring_it(hub: HubServer, settings: HubSettings) -> None:
    with pytest.raises(
        HubOfflineError, match=r"no earlier pull .* `expertmesh pull acme/tiny-oss@main --to FOLDER`"
    ):
        pull_offline(hub, settings)


def test_interrupted_pull_says_what_is_missing(hub: HubServer, settings: HubSettings) -> None:
    interrupt_a_pull(hub, settings)
    with pytest.raises(HubOfflineError, match=rf"published: {SECOND_SHARD} is missing") as failure:
        pull_offline(hub, settings)
    assert FIRST_SHARD not in str(failure.value)


def test_interrupted_newer_pull_leaves_the_older_one_in_use(hub: HubServer, settings: HubSettings) -> None:
    old = pull(MODEL, settings=settings).folder
    hub.move_branch("main", repository_files() | {SECOND_SHARD: b"new" * 40_000})
    interrupt_a_pull(hub, settings)
    assert pull_offline(hub, settings).folder == old
    with pytest.raises(HubOfflineError, match="is missing"):
        pull_offline(hub, settings, revision=SECOND_COMMIT)


def test_damaged_file_in_the_cache_is_named(hub: HubServer, settings: HubSettings) -> None:
    folder = pull(MODEL, settings=settings).folder
    content = (folder / FIRST_SHARD).read_bytes()
    (folder / FIRST_SHARD).write_bytes(content[:-1] + bytes([content[-1] ^ 128]))
    with pytest.raises(HubOfflineError, match=rf"{FIRST_SHARD} has sha256:\w+, expected sha256:\w+"):
        pull_offline(hub, settings)


def test_layout_that_was_not_pulled_is_said_to_be_absent(hub: HubServer, settings: HubSettings) -> None:
    pull(MODEL, settings=settings)
    with pytest.raises(HubOfflineError, match="does not hold the layout original"):
        pull_offline(hub, settings, layout=Layout.ORIGINAL)


def test_folder_of_another_revision_is_not_passed_off(
    hub: HubServer, settings: HubSettings, tmp_path: Path
) -> None:
    pull(MODEL, tmp_path / "model", settings=settings)
    assert pull_offline(hub, settings, tmp_path / "model").manifest.commit == FIRST_COMMIT
    with pytest.raises(HubOfflineError, match=f"holds {REPOSITORY}@{FIRST_COMMIT}"):
        pull_offline(hub, settings, tmp_path / "model", revision="v2")


def test_snapshot_copied_to_another_machine_can_be_verified(settings: HubSettings, tmp_path: Path) -> None:
    """`cp -rL`: the links of the cache become files, and the manifest comes along."""
    folder = pull(MODEL, settings=settings).folder
    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(settings.cache)
    assert verify(tmp_path / "copy").commit == FIRST_COMMIT
