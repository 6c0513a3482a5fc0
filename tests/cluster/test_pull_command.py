"""`expertmesh pull` and `verify` as a person runs them: in a process with huggingface_hub's variables."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.cli import main
from cluster.commands.pull import LAYOUTS
from model.hub.layout import Layout
from model.hub.manifest import MANIFEST_NAME
from tests.model.hub.hub_models import FIRST_SHARD, HUGGING_FACE_PATHS, ORIGINAL_PATHS, repository_files
from tests.model.hub.hub_server import FIRST_COMMIT, REPOSITORY, HubServer, serving

SOURCE_TREE = Path(__file__).parents[2]
WITHOUT_HUGGINGFACE_HUB = """
import sys
sys.modules["huggingface_hub"] = None
from cluster.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with serving(HubServer(repository_files())) as server:
        yield server


@pytest.fixture
def environment(hub: HubServer, tmp_path: Path) -> dict[str, str]:
    """Ours, but for every variable that huggingface_hub would read; its home is a fresh folder."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    return ours | {"HF_ENDPOINT": hub.addresses[0], "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "*"}


def run(
    environment: dict[str, str], *arguments: str, python: tuple[str, ...] = ("-m", "cluster")
) -> tuple[int, str, str]:
    command = [sys.executable, "-W", "error", *python, *arguments]
    done = subprocess.run(
        command, env=environment, cwd=SOURCE_TREE, capture_output=True, text=True, timeout=30, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_pull_then_offline_pull(hub: HubServer, environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "home/hub/models--acme--tiny-oss/snapshots" / FIRST_COMMIT
    status, printed, progress = run(environment | {"HF_TOKEN": "hf_secret"}, "pull", REPOSITORY)
    assert status == 0
    assert f"{REPOSITORY}@{FIRST_COMMIT}\n" in printed
    assert f"{len(HUGGING_FACE_PATHS)} files" in printed
    assert printed.endswith(f"folder: {folder}\nnext:   expertmesh verify {folder}\n")
    assert sorted(path.name for path in folder.iterdir()) == sorted({*HUGGING_FACE_PATHS, MANIFEST_NAME})
    assert f"fetched: {FIRST_SHARD} (200kB)\n" in progress
    assert len(progress.splitlines()) == len(HUGGING_FACE_PATHS) + 1
    assert {r.token for r in hub.requests if r.path == "model info"} == {"Bearer hf_secret"}

    hub.requests.clear()
    status, printed, _ = run(environment | {"HF_HUB_OFFLINE": "1"}, "pull", f"{REPOSITORY}@main")
    assert (status, hub.requests) == (0, [])
    assert f"folder: {folder}\n" in printed


def test_pull_of_a_layout_to_a_folder_then_verify(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    status, _, _ = run(environment, "pull", REPOSITORY, "--to", str(folder), "--layout", "original")
    assert status == 0
    assert all((folder / path).is_file() for path in ORIGINAL_PATHS)
    assert not (folder / FIRST_SHARD).exists()
    without = ("-c", WITHOUT_HUGGINGFACE_HUB)
    status, printed, _ = run(environment, "verify", str(folder), python=without)
    assert status == 0
    assert f"{folder} is {REPOSITORY}@{FIRST_COMMIT} as published" in printed
    (folder / "LICENSE").write_text("Apache-2.1\n")
    status, _, complaint = run(environment, "verify", str(folder), python=without)
    assert status == 1
    assert "LICENSE has git-sha1:" in complaint


def test_stopped_pull_is_continued_by_the_next_process(
    hub: HubServer, environment: dict[str, str], tmp_path: Path
) -> None:
    hub.troubles.path_to_stalls[FIRST_SHARD] = [60_007]
    command = [sys.executable, "-m", "cluster", "pull", REPOSITORY, "--to", str(tmp_path / "model")]
    with subprocess.Popen(
        command, env=environment, cwd=SOURCE_TREE, stderr=subprocess.PIPE, text=True
    ) as first:
        while not (partial := list(tmp_path.glob(f"model/.expertmesh/staging/{FIRST_SHARD}.*.partial"))):
            time.sleep(0.02)
        first.send_signal(signal.SIGINT)
        _, complaint = first.communicate(timeout=20)
    assert first.returncode == 130
    assert complaint.endswith("expertmesh: stopped\n")
    num_bytes_kept = partial[0].stat().st_size
    status, _, _ = run(environment, "pull", REPOSITORY, "--to", str(tmp_path / "model"))
    assert status == 0
    last = [request for request in hub.requests if request.path == FIRST_SHARD][-1]
    assert last.first_byte == num_bytes_kept


def test_pull_without_the_extra_names_it(environment: dict[str, str]) -> None:
    status, _, complaint = run(environment, "pull", "gpt-oss-20b", python=("-c", WITHOUT_HUGGINGFACE_HUB))
    assert status == 1
    assert "pip install -c constraints.txt '.[hub]'" in complaint


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["acme/other"], "has no model acme/other"),
        (["./models"], "is a path"),
        ([REPOSITORY, "--offline"], "no earlier pull of it"),
    ],
)
def test_foreseen_failure_is_one_sentence(
    environment: dict[str, str], arguments: list[str], sentence: str
) -> None:
    status, printed, complaint = run(environment, "pull", *arguments)
    assert (status, printed) == (1, "")
    assert complaint.startswith("expertmesh: ")
    assert sentence in complaint
    assert len(complaint.splitlines()) == 1


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["pull", "--help"])
    assert "expertmesh pull gpt-oss-20b" in capsys.readouterr().out


def test_layouts_are_those_of_the_library() -> None:
    """The command repeats them, since the library needs huggingface_hub to be imported."""
    assert tuple(Layout) == LAYOUTS


def test_unknown_layout_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["pull", "gpt-oss-20b", "--layout", "gguf"])
    assert "hugging-face" in capsys.readouterr().err
