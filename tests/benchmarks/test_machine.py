import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.machine import this_commit, this_machine, versions

CPUINFO = """\
processor\t: 0
model name\t: Some CPU @ 3 GHz
flags\t\t: fpu avx2 avx512_bf16 sse

processor\t: 1
model name\t: Other
flags\t\t: fpu
"""


def test_a_machine_is_described_from_proc(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    (tmp_path / "meminfo").write_text("MemTotal:       24681472 kB\nMemFree: 1 kB\n")
    for number, model in enumerate(["NVIDIA H100", "NVIDIA A100"]):
        gpu = tmp_path / "driver/nvidia/gpus" / f"0000:0{number}:00.0"
        gpu.mkdir(parents=True)
        (gpu / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 7\n")
    machine = this_machine(tmp_path)
    assert machine.cpu == "Some CPU @ 3 GHz"
    assert machine.features == ("avx2", "avx512_bf16")
    assert machine.memory_bytes == 24681472 * 1024
    assert machine.gpus == ("NVIDIA H100", "NVIDIA A100")
    assert machine.cores == len(os.sched_getaffinity(0))


def test_this_machine_has_something_to_say() -> None:
    machine = this_machine()
    assert machine.cpu
    assert machine.memory_bytes > 1 << 28


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "-c", "user.name=n", "-c", "user.email=e", "commit", "--quiet", "--message", "m")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_clean_commit(repository: Path) -> None:
    (repository / "untracked").write_text("a result of this very benchmark")
    assert this_commit(repository) == git(repository, "rev-parse", "HEAD")


def test_a_changed_file_makes_the_commit_dirty(repository: Path) -> None:
    (repository / "file").write_text("two")
    assert this_commit(repository) == git(repository, "rev-parse", "HEAD") + "+dirty"


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert this_commit(tmp_path) == "unknown"


def test_versions_of_what_is_installed() -> None:
    assert versions(["pytest", "no-such-package"]) == {
        "python": ".".join(map(str, sys.version_info[:3])),
        "pytest": pytest.__version__,
        "no-such-package": "absent",
    }
