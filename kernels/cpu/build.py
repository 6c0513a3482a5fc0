"""Builds the C++ beside this file into a shared library, once for each state of sources and compiler.

No headers of torch or Python are involved, so it takes seconds, and the result serves every version of both.
It holds every instruction set that its processor family may have and chooses when it runs: a cache in a home
folder that several machines share is safe. Of several processes that need it at once one builds, and the
others wait; where the cache cannot be locked each builds, in a folder of its own, and the finished file is
moved into place.
"""

import fcntl
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

_logger = logging.getLogger(__name__)

SOURCES = Path(__file__).parent
COMPILERS = ("c++", "g++", "clang++")
TIMEOUT_S = 300

_COMPILE = ("-std=c++17", "-O3", "-fPIC", "-fopenmp", "-fvisibility=hidden", "-ffp-contract=off")
_LINK = ("-shared", "-fopenmp")
_X86_FILE_TO_FLAGS = {
    "attend_avx2.cpp": ("-mavx2", "-mfma"),
    "attend_avx512.cpp": ("-mavx512f", "-mavx512bw"),
    "combine_avx512.cpp": ("-mavx512f", "-mavx512bw"),
    "multiply_dense_avx2.cpp": ("-mavx2", "-mfma"),
    "multiply_dense_avx512.cpp": ("-mavx512f", "-mavx512bw"),
    "multiply_dense_avx512bf16.cpp": ("-mavx512f", "-mavx512bw", "-mavx512bf16"),
    "multiply_int8_tile_avx2.cpp": ("-mavx2", "-mfma"),
    "multiply_int8_tile_avx512vnni.cpp": ("-mavx512f", "-mavx512bw", "-mavx512vnni"),
    "multiply_tile_avx2.cpp": ("-mavx2", "-mfma"),
    "multiply_tile_avx512.cpp": ("-mavx512f", "-mavx512bw"),
    "round_int8_avx2.cpp": ("-mavx2",),
    "round_int8_avx512.cpp": ("-mavx512f", "-mavx512bw"),
    "swiglu_avx2.cpp": ("-mavx2",),
    "swiglu_avx512.cpp": ("-mavx512f", "-mavx512bw"),
}
_NEWER_FLAGS = frozenset({"-mavx512bf16"})
"""Not every compiler and assembler that people have knows them; such a file has an empty form for those."""


class BuildError(Exception):
    """There is no library; the message says why."""


class _RefusedError(BuildError):
    """A compiler ran, and said no."""


def build(cache: Path | None = None, compiler: str | None = None) -> Path:
    """-> the shared library, built now or before."""
    command = _find_compiler(compiler)
    folder = _default_cache() if cache is None else cache
    library = folder / f"cpu-kernels-{_key(command)}.so"
    if not library.exists():
        try:
            library.parent.mkdir(parents=True, exist_ok=True)
            with _one_at_a_time(folder):
                if not library.exists():
                    _build_into(library, command)
        except OSError as error:
            raise BuildError(f"{folder} cannot be written: {error}") from error
    return library


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Whoever dies lets the next one go on."""
    locked = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(locked, fcntl.LOCK_EX)
        yield
    finally:
        os.close(locked)


def _find_compiler(compiler: str | None) -> str:
    names = COMPILERS if compiler is None else (compiler,)
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    raise BuildError(f"no C++ compiler is here (looked for {', '.join(names)})")


def _default_cache() -> Path:
    try:
        return Path.home() / ".cache" / "expertmesh"
    except RuntimeError as error:
        raise BuildError("there is no home folder to keep the library in") from error


def _files() -> Sequence[Path]:
    files = sorted([*SOURCES.glob("*.cpp"), *SOURCES.glob("*.h")])
    if not files:
        raise BuildError(f"{SOURCES} holds no C++ sources: the installation is not whole")
    return files


def _key(compiler: str) -> str:
    """Names everything that the library depends on."""
    digest = hashlib.sha256()
    for file in _files():
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        digest.update(file.read_bytes())
    flags = (_COMPILE, _LINK, sorted(_X86_FILE_TO_FLAGS.items()), sorted(_NEWER_FLAGS))
    version = _run([compiler, "--version"])
    digest.update(repr((compiler, version, flags, platform.machine(), platform.system())).encode())
    return digest.hexdigest()[:16]


def _build_into(library: Path, compiler: str) -> None:
    with tempfile.TemporaryDirectory(prefix=".build-", dir=library.parent) as name:
        folder = Path(name)
        sources = [file for file in _files() if file.suffix == ".cpp" and _is_for_this_machine(file)]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            objects = list(pool.map(partial(_compile, compiler, folder), sources))
        linked = folder / library.name
        _run([compiler, *map(str, objects), *_LINK, "-o", str(linked)])
        linked.replace(library)


def _is_for_this_machine(source: Path) -> bool:
    return source.name not in _X86_FILE_TO_FLAGS or platform.machine() in ("x86_64", "AMD64")


def _compile(compiler: str, folder: Path, source: Path) -> Path:
    target = folder / f"{source.stem}.o"
    flags = _X86_FILE_TO_FLAGS.get(source.name, ())
    older = [flag for flag in flags if flag not in _NEWER_FLAGS]
    try:
        _compile_with(flags, compiler, source, target)
    except _RefusedError as error:
        if len(older) == len(flags):
            raise
        _logger.warning("without faster kernels for the newest processors: %s", error)
        _compile_with(older, compiler, source, target)
    return target


def _compile_with(flags: Sequence[str], compiler: str, source: Path, target: Path) -> None:
    _run([compiler, *_COMPILE, *flags, "-c", str(source), "-o", str(target)])


def _run(command: Sequence[str]) -> str:
    """-> what it prints"""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"`{' '.join(command)}` did not run: {error}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise _RefusedError(f"`{' '.join(command)}` failed: {said[0] if said else 'it said nothing'}")
    return done.stdout
