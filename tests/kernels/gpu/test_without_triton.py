"""A machine without Triton runs everything on its CPU, and a CPU does not pay for Triton's import."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BLOCK_TRITON = """
import sys
sys.modules["triton"] = None  # as if not installed; torch looks for it too
"""
GENERATE = """
from model.dummy import dummy_weights
from model.generate import generate
from model.local_model import LocalModel
from model.sampling.parameters import SamplingParameters
from tests.model.tiny_model import TINY
model = LocalModel.of(TINY, dummy_weights(TINY, 5))
print(len(list(generate(model, [1, 2, 3], SamplingParameters(seed=1), 4))))
"""
ENGINE = """
import sys
import workers.engine.local_engine, workers.experts.expert_worker, router.remote_experts
assert "triton" not in sys.modules
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("before", [BLOCK_TRITON, ""])
def test_a_model_generates(before: str) -> None:
    done = run(before + GENERATE)
    assert done.stdout == "4\n", done.stderr


def test_importing_all_that_computes_does_not_import_it() -> None:
    done = run(ENGINE)
    assert done.returncode == 0, done.stderr


def test_the_block_blocks() -> None:
    assert "import of triton halted" in run(BLOCK_TRITON + "import kernels.gpu.plan").stderr
