"""Folders that examples write models into, so that nobody's own files are lost."""

from collections.abc import Callable
from pathlib import Path

from protos.errors import ConfigError


def refuse_foreign(folder: Path, is_ours: Callable[[Path], bool], option: str) -> None:
    """Only what is empty, or what an earlier run has finished, is written to."""
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free and not is_ours(folder):
        raise ConfigError(f"{folder} is there and holds no model of an earlier run; name another {option}")
