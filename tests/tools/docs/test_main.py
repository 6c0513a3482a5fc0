"""The pages in git are what would be made of them, and it is noticed when they are not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from examples.demo.scores import SCORES_NAME
from tools.docs.__main__ import main
from tools.docs.made_part import END
from tools.docs.parts import PARTS

ROOT = Path(__file__).parents[3]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of all that pages are made from, and of them."""
    for name in ("docs", "protos", "benchmarks/results"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    scores = f"examples/expertmesh-demo/{SCORES_NAME}"
    (tmp_path / scores).parent.mkdir(parents=True)
    shutil.copyfile(ROOT / scores, tmp_path / scores)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["tools.docs", *words])
    return main()


def test_pages_have_not_drifted() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", PARTS)
def test_a_page_that_has_drifted_is_named_and_mended(
    page: str, copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = copy / page
    as_made = file.read_text()
    last_row = as_made.rindex("\n| ", 0, as_made.rindex(END))
    file.write_text(as_made[:last_row] + as_made[last_row:].replace("| ", "| another ", 1))
    assert run(monkeypatch, "--check") == 1
    assert capsys.readouterr().err == f"{page} is not what it is made from; `make docs` makes it anew\n"
    assert run(monkeypatch) == 0
    assert file.read_text() == as_made


def test_what_is_new_in_a_source_is_noticed(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proto = copy / "protos/expertmesh/inference/v1/inference.proto"
    proto.write_text(
        proto.read_text().replace("message ListModelsRequest {}", "message ListModelsRequest { bool a = 1; }")
    )
    assert run(monkeypatch, "--check") == 1
