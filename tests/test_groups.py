"""Tests of one group share what they start, so they must run in one process, and in order."""

import re
import subprocess
import sys
from pathlib import Path

NUM_TESTS = 6
FILE = f"""
import pytest

pytestmark = pytest.mark.xdist_group("together")

@pytest.mark.parametrize("number", range({NUM_TESTS}))
def test_it(number): ...
"""


def test_a_group_stays_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_some.py").write_text(FILE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-n", "2", "--dist", "loadgroup"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    ran = re.findall(r"^\[(gw\d)\] .* PASSED test_some.py::test_it\[(\d)\]", done.stdout, re.MULTILINE)
    assert [int(number) for _, number in ran] == list(range(NUM_TESTS)), done.stdout
    assert len({process for process, _ in ran}) == 1
