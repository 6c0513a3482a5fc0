"""The logic of every GPU kernel, in Triton's interpreter: the checks beside this file, in processes of their
own.

Triton decides when a kernel is defined whether it will be interpreted, so one process cannot do both. What
the interpreter does not show: races, rounding of bfloat16, speed.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CHECKS = sorted(ROOT.glob("tests/*/**/check_*.py"))


@pytest.mark.parametrize("check", CHECKS, ids=[check.stem for check in CHECKS])
def test_interpreted(check: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(check)]
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_every_kernel_is_checked() -> None:
    kernels = {file.stem for file in (ROOT / "kernels/gpu").glob("*.py")}
    parts = {"choose_parts", "expert_tile", "fp4", "visible"}
    not_kernels = {"__init__", "configs", "expert_layout", "launch"} | parts
    checked = "".join(check.read_text() for check in CHECKS)
    assert {name for name in kernels - not_kernels if f"kernels.gpu.{name} " not in checked} == set()
