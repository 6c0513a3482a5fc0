"""Transfers that go wrong on the way: cuts, silence, servers that ignore ranges, xet that fails."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from model.hub.file_progress import SilentProgress
from model.hub.manifest import verify
from model.hub.pull import pull
from model.hub.reference import ModelReference
from model.hub.settings import HubSettings
from protos.errors import HubUnreachableError
from tests.model.hub.hub_models import FIRST_SHARD, HUGGING_FACE_PATHS, SECOND_SHARD, repository_files
from tests.model.hub.hub_server import REPOSITORY, HubServer, serving

MODEL = ModelReference(REPOSITORY)
SHARD_BYTES = len(repository_files()[FIRST_SHARD])


class RecordingProgress(SilentProgress):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.path_to_positions: dict[str, list[int]] = {}
        self._current: list[int] = []

    def begin_file(self, path: str, _num_bytes: int, /) -> None:
        self._current = self.path_to_positions.setdefault(path, [])

    def reach(self, num_bytes: int) -> None:
        self._current.append(num_bytes)

    def note(self, text: str) -> None:
        self.notes.append(text)


def shard_ranges(hub: HubServer) -> list[tuple[int, int]]:
    """(first byte, number of bytes) of every answer that carried bytes of the first shard."""
    return [(r.first_byte, r.num_bytes) for r in hub.requests if r.path == FIRST_SHARD and r.num_bytes]


def test_cut_transfer_goes_on_at_the_byte_where_it_stopped(hub: HubServer, settings: HubSettings) -> None:
    hub.troubles.path_to_cuts[FIRST_SHARD] = [70_001, 50_003]
    progress = RecordingProgress()
    verify(pull(MODEL, progress=progress, settings=settings).folder)
    assert shard_ranges(hub) == [(0, 70_001), (70_001, 50_003), (120_004, SHARD_BYTES - 120_004)]
    positions = progress.path_to_positions[FIRST_SHARD]
    assert positions == sorted(positions)
    assert positions[-1] == SHARD_BYTES


@pytest.mark.parametrize("into_folder", [True, False])
def test_pull_that_gave_up_is_continued_by_the_next_pull(
    hub: HubServer, settings: HubSettings, tmp_path: Path, into_folder: bool
) -> None:
    destination = tmp_path / "model" if into_folder else None
    hub.troubles.path_to_cuts[FIRST_SHARD] = [90_001]
    with pytest.raises(HubUnreachableError):
        pull(MODEL, destination, settings=replace(settings, num_attempts=1))
    verify(pull(MODEL, destination, settings=settings).folder)
    assert shard_ranges(hub) == [(0, 90_001), (90_001, SHARD_BYTES - 90_001)]


def test_partial_file_of_an_older_commit_is_not_continued(hub: HubServer, settings: HubSettings) -> None:
    hub.troubles.path_to_cuts[FIRST_SHARD] = [90_001]
    with pytest.raises(HubUnreachableError):
        pull(MODEL, settings=replace(settings, num_attempts=1))
    hub.move_branch("main", repository_files() | {FIRST_SHARD: b"another" * 30_000})
    verify(pull(MODEL, settings=settings).folder)
    assert shard_ranges(hub)[1:] == [(0, 210_000)]


def test_attempts_that_bring_bytes_cost_no_patience(hub: HubServer, settings: HubSettings) -> None:
    hub.troubles.path_to_cuts[FIRST_SHARD] = [20_000] * 8
    verify(pull(MODEL, settings=replace(settings, num_attempts=2)).folder)
    assert len(shard_ranges(hub)) == 9


def test_server_that_ignores_ranges_sends_the_file_anew(hub: HubServer, settings: HubSettings) -> None:
    hub.troubles.path_to_cuts[FIRST_SHARD] = [70_001]
    hub.troubles.ignores_ranges = True
    verify(pull(MODEL, settings=settings).folder)
    assert shard_ranges(hub) == [(0, 70_001), (0, SHARD_BYTES)]


def test_silence_in_mid_file_is_ended_and_continued(hub: HubServer, settings: HubSettings) -> None:
    hub.troubles.path_to_stalls[FIRST_SHARD] = [60_007]
    verify(pull(MODEL, settings=replace(settings, timeout_s=0.5)).folder)
    assert shard_ranges(hub) == [(0, 60_007), (60_007, SHARD_BYTES - 60_007)]


def test_lasting_silence_is_unreachable(hub: HubServer, settings: HubSettings) -> None:
    hub.troubles.path_to_stalls["model info"] = [0, 0]
    with pytest.raises(HubUnreachableError, match=r"did not answer \(ReadTimeout"):
        pull(MODEL, settings=replace(settings, timeout_s=0.2, num_attempts=2))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_refusal_is_tried_again(hub: HubServer, settings: HubSettings, status: int) -> None:
    hub.troubles.statuses = [status]
    progress = RecordingProgress()
    pull(MODEL, progress=progress, settings=settings)
    assert len(progress.notes) == 1
    assert f"answered {status}" in progress.notes[0]


def test_lasting_refusal_is_unreachable(hub: HubServer, settings: HubSettings) -> None:
    hub.troubles.statuses = [503] * 3
    with pytest.raises(HubUnreachableError, match="answered 503"):
        pull(MODEL, settings=settings)
    assert len(hub.requests) == settings.num_attempts


def test_closed_port_and_unknown_host_are_unreachable(settings: HubSettings) -> None:
    for endpoint in ("http://127.0.0.1:9", "http://hub.invalid"):
        with pytest.raises(HubUnreachableError, match=rf"{endpoint} did not answer \(ConnectError"):
            pull(MODEL, settings=replace(settings, endpoint=endpoint))


def test_token_goes_to_the_hub_and_not_to_its_content_network(hub: HubServer, settings: HubSettings) -> None:
    pull(MODEL, settings=replace(settings, token="hf_secret"))
    to_content = [r for r in hub.requests if r.path == FIRST_SHARD and r.num_bytes]
    to_hub = [r for r in hub.requests if r not in to_content and r.path in {FIRST_SHARD, "config.json"}]
    assert {r.token for r in to_hub} == {"Bearer hf_secret"}
    assert [r.token for r in to_content] == [None]


@pytest.fixture
def xet_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "xet"))
    monkeypatch.setenv("HF_XET_TELEMETRY_ENABLED", "0")
    with serving(HubServer(repository_files(), offers_xet=True)) as server:
        yield server


def test_xet_is_used_where_it_is_offered(xet_hub: HubServer, settings: HubSettings) -> None:
    progress = RecordingProgress()
    settings = replace(settings, endpoint=xet_hub.addresses[0])
    pulled = pull(MODEL, progress=progress, settings=settings)
    verify(pulled.folder)
    assert xet_hub.num_bytes_sent(f"xet {FIRST_SHARD}") > SHARD_BYTES
    assert xet_hub.num_bytes_sent(FIRST_SHARD) == 0
    assert progress.path_to_positions[FIRST_SHARD][-1] == SHARD_BYTES
    assert {path.name for path in pulled.folder.iterdir()} > HUGGING_FACE_PATHS


def test_xet_that_fails_gives_way_to_plain_http(xet_hub: HubServer, settings: HubSettings) -> None:
    xet_hub.troubles.xet_storage_fails = True
    progress = RecordingProgress()
    settings = replace(settings, endpoint=xet_hub.addresses[0])
    verify(pull(MODEL, progress=progress, settings=settings).folder)
    assert xet_hub.num_bytes_sent(FIRST_SHARD) == SHARD_BYTES
    assert len(progress.notes) == 1  # the second shard did not try again
    assert f"xet failed for {FIRST_SHARD}" in progress.notes[0]


def test_what_plain_http_began_is_not_begun_anew_over_xet(
    xet_hub: HubServer, settings: HubSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, endpoint=xet_hub.addresses[0])
    xet_hub.troubles.path_to_cuts[FIRST_SHARD] = [90_001]
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with pytest.raises(HubUnreachableError):
        pull(MODEL, settings=replace(settings, num_attempts=1))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    verify(pull(MODEL, settings=settings).folder)
    assert shard_ranges(xet_hub) == [(0, 90_001), (90_001, SHARD_BYTES - 90_001)]
    assert xet_hub.num_bytes_sent(f"xet {SECOND_SHARD}") > 0


def test_xet_can_be_switched_off(
    xet_hub: HubServer, settings: HubSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    verify(pull(MODEL, settings=replace(settings, endpoint=xet_hub.addresses[0])).folder)
    assert xet_hub.num_bytes_sent(SECOND_SHARD) == len(repository_files()[SECOND_SHARD])
    assert not [r for r in xet_hub.requests if r.path.startswith("xet")]
