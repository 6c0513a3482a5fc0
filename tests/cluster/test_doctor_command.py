"""`expertmesh doctor` as a person runs it, also where nearly nothing is installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.cli import main

Capture = pytest.CaptureFixture[str]

SOURCE_TREE = Path(__file__).parents[2]
CHECKS = ["python", "packages", "devices", "CPU kernels", "shared memory", "model"]
OF_A_MODEL = ["checkpoint", "tokenizer", "hashes", "memory"]
RUNNING = ["ports", "mesh", "gateway"]
BLOCK = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(name)

import importlib.util
finds = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {names} else finds(name, package)
sys.meta_path.insert(0, Absent())
from cluster.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def config(tmp_path: Path, spoken_folder: Path) -> Path:
    """Ports that are open, so that whatever else runs on this machine does not matter."""
    values = {
        "model": str(spoken_folder),
        "engine": {"device": "cpu"},
        "gateway": {"http_port": 0, "grpc_port": 0},
        "cluster": {"controller": {"port": 0}},
    }
    file = tmp_path / "mesh.yaml"
    file.write_text(json.dumps(values))
    return file


def test_a_fine_machine_is_0(config: Path, capsys: Capture) -> None:
    assert main(["doctor", "--config", str(config), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["healthy"] is True
    assert [finding["check"] for finding in document["findings"]] == CHECKS + OF_A_MODEL + RUNNING


def test_what_is_wrong_is_1_with_what_to_do(config: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["doctor", "--config", str(config), "--model", str(tmp_path / "absent")]) == 1
    printed = capsys.readouterr().out
    assert "\nmodel          wrong      the model" in printed
    assert "-> name the folder, or a model that was pulled" in printed
    assert printed.rstrip().endswith("unchecked")


def test_quick_reads_no_weights(config: Path, capsys: Capture) -> None:
    assert main(["doctor", "--config", str(config), "--quick"]) == 0
    assert "\nhashes         unchecked  --quick was asked for\n" in capsys.readouterr().out


def run_without(names: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCK.format(names=names), "doctor", *words],
        cwd=SOURCE_TREE,
        env={**os.environ, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_torch_and_ray_it_says_what_it_could_not_look_at(config: Path) -> None:
    done = run_without(["torch", "ray", "numpy", "triton"], "--config", str(config), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    states = {finding["check"]: finding["state"] for finding in json.loads(done.stdout)["findings"]}
    assert [check for check in states if states[check] == "unchecked"] == [
        "devices",
        "checkpoint",
        "hashes",
        "mesh",
        "gateway",
    ]
    assert states["tokenizer"] == states["memory"] == "ok"


def test_without_anything_it_names_the_extras() -> None:
    done = run_without(["pydantic", "yaml", "grpc", "torch", "ray", "llguidance"])
    assert done.returncode == 1
    assert "installed without any extra" in done.stderr
    assert done.stdout == ""


def test_no_model_is_no_fault(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    assert "\nmodel          unchecked  none was named" in capsys.readouterr().out
