"""The .proto files, what is generated from them, and the baseline of clients: none drifts unseen."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.protos import SOURCES, generate, generated

ROOT = Path(__file__).parent.parent.parent
ATTENTION = Path("protos/expertmesh/attention/v1/attention.proto")


def run_buf(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("buf")), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The .proto files, and all that buf wants to know of them."""
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    for source in ROOT.glob(SOURCES):
        target = tmp_path / source.relative_to(ROOT)
        target.parent.mkdir(parents=True)
        shutil.copy(source, target)
    return tmp_path


def change(folder: Path, pattern: str, replacement: str) -> None:
    file = folder / ATTENTION
    changed, count = re.subn(pattern, replacement, file.read_text(), flags=re.MULTILINE)
    assert count == 1
    file.write_text(changed)


def test_the_committed_code_is_what_protoc_makes_now(tmp_path: Path) -> None:
    made = generate(ROOT, tmp_path)
    assert len(made) == 3 * len(list(ROOT.glob(SOURCES)))
    committed = generated(ROOT)
    assert [file.relative_to(ROOT) for file in committed] == [file.relative_to(tmp_path) for file in made]
    drifted = [
        theirs.name
        for theirs, ours in zip(committed, made, strict=True)
        if theirs.read_bytes() != ours.read_bytes()
    ]
    assert drifted == [], "run make protos"


def test_a_file_whose_source_is_gone_goes_too(copied: Path) -> None:
    generate(copied, copied)
    (copied / ATTENTION).unlink()
    (copied / ATTENTION).with_name("other.proto").write_text('syntax = "proto3";\npackage other.v1;\n')
    names = {file.name for file in generate(copied, copied)}
    assert "other_pb2.py" in names
    assert "attention_pb2.py" not in names


def test_what_protoc_does_not_understand_is_an_error(copied: Path) -> None:
    change(copied, "^message Submit {", "message {")
    with pytest.raises(SystemExit, match="protoc failed"):
        generate(copied, copied)


def test_buf_finds_nothing_to_say() -> None:
    done = run_buf("lint")
    assert done.returncode == 0, done.stdout + done.stderr


def test_buf_lint_bites(copied: Path) -> None:
    change(copied, "^message Usage {", "message usage {}\n\n\\g<0>")
    assert "should be PascalCase" in run_buf("lint", folder=copied).stdout


def test_no_client_of_the_baseline_is_broken() -> None:
    done = run_buf("breaking", "--against", "protos/baseline.binpb")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        pytest.param(r"^  optional uint32 min_tokens = 5;\n", "", id="a field is removed"),
        pytest.param("uint32 min_tokens = 5", "string min_tokens = 5", id="a field changes its type"),
        pytest.param("uint32 min_tokens = 5", "uint32 min_tokens = 55", id="a field changes its number"),
        pytest.param("uint32 min_tokens = 5", "uint32 least_tokens = 5", id="a field changes its name"),
        pytest.param("^  rpc Drain.*\n", "", id="a method is removed"),
    ],
)
def test_a_change_that_breaks_clients_is_refused(copied: Path, pattern: str, replacement: str) -> None:
    change(copied, pattern, replacement)
    done = run_buf("breaking", "--against", str(ROOT / "protos/baseline.binpb"), folder=copied)
    assert done.returncode != 0
    assert "attention.proto" in done.stdout


def test_a_new_field_breaks_nobody(copied: Path) -> None:
    change(copied, r"^  optional uint32 min_tokens = 5;\n", r"\g<0>  optional uint32 newest = 500;\n")
    done = run_buf("breaking", "--against", str(ROOT / "protos/baseline.binpb"), folder=copied)
    assert done.returncode == 0, done.stdout + done.stderr
