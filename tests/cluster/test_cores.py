"""Cores that may be kept busy: bound ones, a container's limit in both versions of its files, and neither."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.cores import num_bound_cores, num_cores


def limited(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu.max": "max 100000\n"},
        {"cpu.max": "unreadable\n"},
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
        {"cpu.max": "900000000 100000\n"},
    ],
)
def test_without_a_lower_limit_all_bound_cores_are_used(tmp_path: Path, files: dict[str, str]) -> None:
    assert num_cores(limited(tmp_path, files)) == num_bound_cores()


@pytest.mark.parametrize(
    "files",
    [
        {"cpu.max": "199999 100000\n"},
        {"cpu.max": "50000 100000\n"},
        {"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"},
    ],
)
def test_a_limit_of_less_than_two_cores_is_one(tmp_path: Path, files: dict[str, str]) -> None:
    assert num_cores(limited(tmp_path, files)) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process")
def test_a_bound_process_counts_what_it_is_bound_to() -> None:
    program = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import cluster.cores as c"
    command = [sys.executable, "-c", f"{program}; print(c.num_bound_cores(), c.num_cores())"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["1", "1"]
