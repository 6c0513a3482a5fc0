"""The GPU script runs to its end without a GPU, with only torch and Triton, and computes correctly."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
ABSENT = ("ray", "grpc", "google", "pydantic", "yaml", "msgpack", "huggingface_hub", "llguidance", "tqdm")
RUN = f"""
import runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Refuse())
runpy.run_module("benchmarks.gpu", run_name="__main__")
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RUN, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_dry_run(tmp_path: Path) -> None:
    file = tmp_path / "gpu.json"
    done = run("--quick", "--json", str(file))
    assert done.returncode == 0, done.stderr[-3000:]
    rows = {row["name"]: row for row in json.loads(file.read_text())["rows"]}
    errors = {name: row for name, row in rows.items() if name.endswith(": error")}
    assert {name for name, row in errors.items() if not row["met"]} == set()
    kernels = {name.partition(",")[0] for name in errors}
    for kernel in (
        "gate_up",
        "down",
        "plan",
        "combine",
        "add_rmsnorm",
        "route",
        "rotate and store",
        "choose with every filter",
    ):
        assert kernel in kernels
    assert any(name.startswith("attention decode") for name in errors)
    assert any(name.startswith("attention prefill") for name in errors)
    assert rows["tiny, batch 3, context 40"]["unit"] == "tokens/s"
    assert rows["tiny, prefill of 24"]["ours"] > 0


def test_without_a_gpu_it_says_what_to_do() -> None:
    done = run()
    assert done.returncode == 1
    assert "torch sees no GPU here; with --quick this runs dry" in done.stderr
