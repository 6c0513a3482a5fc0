"""On what a benchmark ran: the machine, the commit, the versions.

Not here: what was measured (`benchmarks.report`, the only caller). Linux only, as the deployments are.
"""

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_TELLING_FEATURES = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni", "amx_bf16", "amx_int8",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Machine:
    """The parts of a machine that explain a figure."""

    cpu: str
    cores: int  # that this process may use
    memory_bytes: int
    features: tuple[str, ...]  # of the processor, as far as our kernels care
    gpus: tuple[str, ...]


def this_machine(root: Path = Path("/proc")) -> Machine:
    cpu = _colon_fields((root / "cpuinfo").read_text())
    memory = _colon_fields((root / "meminfo").read_text())
    flags = cpu.get("flags", "").split()
    return Machine(
        cpu=cpu.get("model name", platform.machine()),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=int(memory["MemTotal"].removesuffix("kB")) * 1024,
        features=tuple(feature for feature in _TELLING_FEATURES if feature in flags),
        gpus=_gpus(root / "driver/nvidia/gpus"),
    )


def this_commit(folder: Path) -> str:
    """The commit that is checked out, with +dirty when a tracked file differs from it."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+dirty" if changes else "")


def versions(packages: Iterable[str]) -> Mapping[str, str]:
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def _colon_fields(text: str) -> Mapping[str, str]:
    """`key : value` lines; the first of a key counts, since every core repeats them."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return fields


def _gpus(folder: Path) -> tuple[str, ...]:
    """As the NVIDIA driver names them; without the driver, none."""
    pages = sorted(folder.glob("*/information"))
    return tuple(_colon_fields(page.read_text()).get("Model", "unknown") for page in pages)


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
