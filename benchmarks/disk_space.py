"""Refuses to begin a benchmark whose files do not fit; called by those that write checkpoints of some GB."""

import shutil
from pathlib import Path

from benchmarks.report import BenchmarkError


def require_disk(folder: Path, num_bytes: int) -> None:
    """For files of so many bytes, and a tenth more."""
    free, needed = shutil.disk_usage(folder).free, int(1.1 * num_bytes)
    if free < needed:
        raise BenchmarkError(
            f"{folder.parent} has {free / 1e9:.1f} GB free and the checkpoint needs {needed / 1e9:.1f} GB; "
            f"make room there, or set TMPDIR to a folder that has it"
        )
