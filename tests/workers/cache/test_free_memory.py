"""Free memory of a host: the lesser of what the machine and the container have."""

from pathlib import Path

import pytest

from protos.errors import ConfigError
from workers.cache.free_memory import free_host_bytes


def write_system(folder: Path, *, available_kb: int, limit: str, current: int, inactive: int) -> None:
    (folder / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable:   {available_kb} kB\n")
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{current}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {inactive}\n")


@pytest.mark.parametrize(
    ("available_kb", "limit", "expected"),
    [(1000, "max", 1_024_000), (1000, "9000", 9000 - 3000 + 500), (2, "9000", 2048), (1000, "2500", 0)],
)
def test_free_memory_is_the_lesser_of_machine_and_container(
    tmp_path: Path, available_kb: int, limit: str, expected: int
) -> None:
    write_system(tmp_path, available_kb=available_kb, limit=limit, current=3000, inactive=500)
    assert free_host_bytes(tmp_path / "meminfo", tmp_path) == expected


def test_a_system_that_says_nothing_is_asked_for_a_size(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="say how large the cache shall be"):
        free_host_bytes(tmp_path / "meminfo", tmp_path)
