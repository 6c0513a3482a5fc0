"""Building with stand-in compilers that leave a file where they should; other tests use the real one."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from kernels.cpu.build import BuildError, build

STAND_IN = """#!/bin/sh
echo "$@" >> {log}
test "$1" = --version && echo "stand-in {version}" && exit
while test "$1" != -o; do shift; done
sleep 0.05
echo built > "$2"
"""


def stand_in(folder: Path, version: int = 1) -> str:
    compiler = folder / "compiler"
    compiler.write_text(STAND_IN.format(log=folder / "log", version=version))
    compiler.chmod(0o755)
    return str(compiler)


def commands(folder: Path) -> list[str]:
    lines = (folder / "log").read_text().splitlines()
    return [line for line in lines if line != "--version"]


def test_it_is_built_once(tmp_path: Path) -> None:
    compiler, cache = stand_in(tmp_path), tmp_path / "a" / "cache"
    library = build(cache, compiler)
    assert library.read_text() == "built\n"
    num_commands = len(commands(tmp_path))
    assert num_commands > 2
    assert build(cache, compiler) == library
    assert len(commands(tmp_path)) == num_commands
    assert list(cache.iterdir()) == [library]


def test_another_compiler_makes_another_library(tmp_path: Path) -> None:
    first = build(tmp_path / "cache", stand_in(tmp_path, version=1))
    second = build(tmp_path / "cache", stand_in(tmp_path, version=2))
    assert first != second
    assert first.exists()


def test_of_several_processes_at_once_one_builds(tmp_path: Path) -> None:
    compiler, cache = stand_in(tmp_path), tmp_path / "cache"
    call = f"build(Path({str(cache)!r}), {compiler!r})"
    code = f"from pathlib import Path; from kernels.cpu.build import build; {call}"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0, 0]
    [library] = cache.iterdir()
    assert library.read_text() == "built\n"
    assert sum("-shared" in command for command in commands(tmp_path)) == 1


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs a processor that has such files: x86-64")
def test_a_flag_that_the_compiler_does_not_know_is_left_out(tmp_path: Path) -> None:
    """The file that it is for is compiled all the same, to an empty form."""
    compiler = Path(stand_in(tmp_path))
    refusal = 'case "$*" in *-mavx512bf16*) echo unknown >&2; exit 1;; esac\n'
    compiler.write_text(compiler.read_text().replace("test ", refusal + "test ", 1))
    build(tmp_path / "cache", str(compiler))
    newest = [line for line in commands(tmp_path) if "multiply_dense_avx512bf16.cpp" in line]
    assert ["-mavx512bf16" in line for line in newest] == [True, False]
    assert all("-mavx512bw" in line for line in newest)


def test_no_compiler(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"no C\+\+ compiler is here \(looked for no-such-compiler\)"):
        build(tmp_path, "no-such-compiler")


def test_a_compiler_that_fails_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    compiler, cache = tmp_path / "compiler", tmp_path / "cache"
    compiler.write_text('#!/bin/sh\ntest "$1" = --version && exit\necho "no room" >&2\nexit 1\n')
    compiler.chmod(0o755)
    with pytest.raises(BuildError, match="failed: no room"):
        build(cache, str(compiler))
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="cannot be written"):
        build(tmp_path / "file" / "cache", stand_in(tmp_path))
