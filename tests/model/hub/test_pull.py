"""`pull` against a hub on loopback: what arrives, where it lies, and what is refused."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model.hub.file_progress import SilentProgress
from model.hub.layout import Layout
from model.hub.manifest import MANIFEST_NAME, verify
from model.hub.pull import pull
from model.hub.reference import ModelReference
from model.hub.settings import HubSettings
from protos.errors import (
    DamagedModelError,
    DiskSpaceError,
    HubAccessError,
    HubError,
    HubNotFoundError,
    UnsupportedModelError,
)
from tests.model.hub.hub_models import (
    CONFIG,
    FIRST_SHARD,
    HUGGING_FACE_PATHS,
    ORIGINAL_PATHS,
    SECOND_SHARD,
    repository_files,
)
from tests.model.hub.hub_server import FIRST_COMMIT, REPOSITORY, HubServer, git_blob_id, sha256

MODEL = ModelReference(REPOSITORY)


def file_contents(folder: Path) -> dict[str, bytes]:
    """Every file that a user sees in a model folder, but for the manifest."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST_NAME and ".expertmesh" not in path.parts
    }


def published(paths: frozenset[str]) -> dict[str, bytes]:
    return {path: content for path, content in repository_files().items() if path in paths}


def test_fresh_pull_brings_one_layout_into_the_cache(hub: HubServer, settings: HubSettings) -> None:
    pulled = pull(MODEL, settings=settings)
    assert file_contents(pulled.folder) == published(HUGGING_FACE_PATHS)
    assert pulled.folder.name == FIRST_COMMIT
    assert pulled.num_files_fetched == len(HUGGING_FACE_PATHS)
    assert all(hub.num_bytes_sent(path) == len(repository_files()[path]) for path in HUGGING_FACE_PATHS)
    assert not (settings.cache / "models--acme--tiny-oss" / ".expertmesh" / "staging").exists()


def test_cache_is_one_that_huggingface_hub_reads(settings: HubSettings) -> None:
    from huggingface_hub import scan_cache_dir, snapshot_download

    folder = pull(MODEL, settings=settings).folder
    offline = snapshot_download(REPOSITORY, cache_dir=settings.cache, local_files_only=True, token=False)
    assert Path(offline) == folder
    report = scan_cache_dir(settings.cache)
    assert report.warnings == []
    assert {repository.repo_id for repository in report.repos} == {REPOSITORY}


def test_what_huggingface_hub_fetched_is_taken_over(hub: HubServer, settings: HubSettings) -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download(
        REPOSITORY, FIRST_SHARD, cache_dir=settings.cache, endpoint=settings.endpoint, token=False
    )
    pulled = pull(MODEL, settings=settings)
    assert pulled.num_files_fetched == len(HUGGING_FACE_PATHS) - 1
    assert hub.num_bytes_sent(FIRST_SHARD) == len(repository_files()[FIRST_SHARD])


def test_original_layout_brings_the_tokenizer_too(settings: HubSettings, tmp_path: Path) -> None:
    pulled = pull(MODEL, tmp_path / "model", Layout.ORIGINAL, settings=settings)
    assert file_contents(pulled.folder) == published(ORIGINAL_PATHS)


def test_both_layouts_of_a_commit_share_a_folder(settings: HubSettings, tmp_path: Path) -> None:
    pull(MODEL, tmp_path / "model", Layout.HUGGING_FACE, settings=settings)
    pulled = pull(MODEL, tmp_path / "model", Layout.ORIGINAL, settings=settings)
    assert file_contents(pulled.folder) == published(HUGGING_FACE_PATHS | ORIGINAL_PATHS)
    assert {file.path for file in verify(pulled.folder).files} == HUGGING_FACE_PATHS | ORIGINAL_PATHS


@pytest.mark.parametrize("into_folder", [True, False])
def test_second_pull_fetches_nothing(
    hub: HubServer, settings: HubSettings, tmp_path: Path, into_folder: bool
) -> None:
    destination = tmp_path / "model" if into_folder else None
    first = pull(MODEL, destination, settings=settings)
    hub.requests.clear()
    second = pull(MODEL, destination, settings=settings)
    assert second.num_files_fetched == 0
    assert second.folder == first.folder
    assert [request.path for request in hub.requests] == ["model info"]


def test_manifest_records_commit_sizes_and_hashes(settings: HubSettings) -> None:
    document = json.loads((pull(MODEL, settings=settings).folder / MANIFEST_NAME).read_bytes())
    assert (document["repository"], document["revision"], document["commit"]) == (
        REPOSITORY,
        "main",
        FIRST_COMMIT,
    )
    shard = next(entry for entry in document["files"] if entry["path"] == FIRST_SHARD)
    content = repository_files()[FIRST_SHARD]
    assert shard == {"path": FIRST_SHARD, "bytes": len(content), "digest": f"sha256:{sha256(content)}"}


def test_moved_branch_brings_only_what_changed(hub: HubServer, settings: HubSettings) -> None:
    old = pull(MODEL, settings=settings).folder
    moved = repository_files() | {SECOND_SHARD: b"new" * 40_000, "LICENSE": b"MIT\n"}
    hub.move_branch("main", moved)
    new = pull(MODEL, settings=settings)
    assert new.num_files_fetched == 2
    assert file_contents(new.folder) == {path: moved[path] for path in HUGGING_FACE_PATHS}
    assert file_contents(old) == published(HUGGING_FACE_PATHS)


def test_pinned_revision_stays_when_the_branch_moves(hub: HubServer, settings: HubSettings) -> None:
    hub.move_branch("main", repository_files() | {"LICENSE": b"MIT\n"})
    pulled = pull(ModelReference(REPOSITORY, FIRST_COMMIT), settings=settings)
    assert pulled.manifest.commit == FIRST_COMMIT
    assert (pulled.folder / "LICENSE").read_bytes() == b"Apache-2.0\n"


def test_folder_of_another_commit_is_refused(hub: HubServer, settings: HubSettings, tmp_path: Path) -> None:
    pull(MODEL, tmp_path / "model", settings=settings)
    hub.move_branch("main", repository_files() | {"LICENSE": b"MIT\n"})
    with pytest.raises(HubError, match=f"already holds {REPOSITORY}@{FIRST_COMMIT}"):
        pull(MODEL, tmp_path / "model", settings=settings)
    verify(tmp_path / "model")


def test_a_users_own_file_is_not_overwritten(settings: HubSettings, tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("mine")
    with pytest.raises(HubError, match="may be yours"):
        pull(MODEL, tmp_path, settings=settings)
    assert (tmp_path / "LICENSE").read_text() == "mine"


@pytest.mark.parametrize("path", [FIRST_SHARD, "tokenizer_config.json"])
def test_damaged_transfer_is_named_removed_and_repaired(
    hub: HubServer, settings: HubSettings, path: str
) -> None:
    hub.troubles.damaged_paths.add(path)
    with pytest.raises(DamagedModelError) as failure:
        pull(MODEL, settings=settings)
    content = repository_files()[path]
    expected = f"sha256:{sha256(content)}" if path == FIRST_SHARD else f"git-sha1:{git_blob_id(content)}"
    kind = expected.partition(":")[0]
    assert re.search(rf"{path} has {kind}:[0-9a-f]+, expected {expected}", str(failure.value))
    hub.troubles.damaged_paths.clear()
    assert file_contents(pull(MODEL, settings=settings).folder) == published(HUGGING_FACE_PATHS)


@pytest.mark.parametrize("into_folder", [True, False])
def test_file_that_went_bad_on_disk_is_fetched_again(
    hub: HubServer, settings: HubSettings, tmp_path: Path, into_folder: bool
) -> None:
    destination = tmp_path / "model" if into_folder else None
    folder = pull(MODEL, destination, settings=settings).folder
    flip_a_byte(folder / SECOND_SHARD)
    hub.requests.clear()
    pulled = pull(MODEL, destination, settings=settings)
    assert pulled.num_files_fetched == 1
    assert hub.num_bytes_sent(SECOND_SHARD) == len(repository_files()[SECOND_SHARD])
    verify(folder)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[777] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "config",
    [CONFIG | {"model_type": "llama"}, {"vocab_size": 9}, CONFIG | {"quantization_config": None}],
    ids=["another model", "no model type", "not MXFP4"],
)
def test_model_that_we_cannot_serve_costs_only_its_config(
    hub: HubServer, settings: HubSettings, config: dict[str, object]
) -> None:
    hub.commit_to_files[FIRST_COMMIT]["config.json"] = json.dumps(config).encode()
    with pytest.raises(UnsupportedModelError, match=r"config\.json"):
        pull(MODEL, settings=settings)
    fetched = {request.path for request in hub.requests}
    assert fetched == {"model info", "config.json"}


def test_repository_without_the_layout_is_refused(hub: HubServer, settings: HubSettings) -> None:
    del hub.commit_to_files[FIRST_COMMIT]["original/config.json"]
    with pytest.raises(UnsupportedModelError, match=r"original/config\.json"):
        pull(MODEL, layout=Layout.ORIGINAL, settings=settings)


def test_model_larger_than_the_disk_is_refused_before_the_weights(
    hub: HubServer, settings: HubSettings
) -> None:
    hub.troubles.path_to_claimed_bytes[FIRST_SHARD] = 10**18
    with pytest.raises(DiskSpaceError, match=r"needs 1\.00EB on the disk of .* free"):
        pull(MODEL, settings=settings)
    assert hub.num_bytes_sent(FIRST_SHARD) == 0


def test_unknown_model_and_unknown_revision(settings: HubSettings) -> None:
    with pytest.raises(HubNotFoundError, match="has no model acme/other"):
        pull(ModelReference("acme/other"), settings=settings)
    with pytest.raises(HubNotFoundError, match="has no revision 'v9'"):
        pull(ModelReference(REPOSITORY, "v9"), settings=settings)


@pytest.mark.parametrize("refusal", [(403, "GatedRepo"), (401, "GatedRepo"), (401, ""), (403, "")])
def test_gated_model_names_licence_and_token(
    hub: HubServer, settings: HubSettings, refusal: tuple[int, str]
) -> None:
    hub.troubles.file_refusal = refusal
    with pytest.raises(HubAccessError, match=r"licence at http://.*/acme/tiny-oss and set HF_TOKEN"):
        pull(MODEL, settings=settings)


def test_page_of_a_captive_portal_is_no_hub(hub: HubServer, settings: HubSettings) -> None:
    hub.troubles.answers_html = True
    with pytest.raises(HubError, match="does not answer as a model hub"):
        pull(MODEL, settings=settings)


def test_second_pull_at_the_same_time_waits_for_the_first(
    hub: HubServer, settings: HubSettings, tmp_path: Path
) -> None:
    hub.troubles.path_to_stalls[FIRST_SHARD] = [1_000]
    notes: list[str] = []

    class Waiting(SilentProgress):
        """Lets the first pull go on once the second one waits."""

        def note(self, text: str) -> None:
            notes.append(text)
            hub.stopping.set()

    with ThreadPoolExecutor() as threads:
        first = threads.submit(pull, MODEL, tmp_path / "model", settings=settings)
        while not hub.num_bytes_sent(FIRST_SHARD):
            time.sleep(0.01)
        second = pull(MODEL, tmp_path / "model", progress=Waiting(), settings=settings)
    assert first.result(timeout=10).num_files_fetched == len(HUGGING_FACE_PATHS)
    assert second.num_files_fetched == 0
    assert len(notes) == 1
    assert "another pull into" in notes[0]
