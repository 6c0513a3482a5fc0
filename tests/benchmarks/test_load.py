import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import load
from benchmarks.report import BenchmarkError
from model.config import GPT_OSS_120B
from tests.model.tiny_model import TINY


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_every_row_is_measured_and_nothing_is_left_behind(temporary: Path) -> None:
    rows = load.measure_config(TINY, num_rounds=1)
    warm = [row for row in rows if row.name == "load 0.00 GB, warm"]
    assert [row.peer_name for row in warm] == [load.FRESH, load.TOUCHED, load.COPIED, load.MAPPED]
    assert [row.peer_name for row in rows if row.name == "load 4 experts a layer, warm"] == [load.COPIED]
    memory = [row for row in rows if row.name == "peak memory of a load"]
    assert [row.peer_name for row in memory] == [load.BYTES, load.COPIED, load.MAPPED]
    assert memory[0].peer == 1_162_386
    for row in rows:
        assert row.ours >= 0
        assert (row.goal is None) == (row.met is None)
    assert list(temporary.iterdir()) == []


def test_too_little_disk_is_said_before_anything_is_written(temporary: Path) -> None:
    config = replace(GPT_OSS_120B, vocab_size=10**9)
    with pytest.raises(
        BenchmarkError, match=r"GB free and the checkpoint needs \d{5}\.\d GB; make room there"
    ):
        load.measure_config(config, num_rounds=1)
    assert list(temporary.iterdir()) == []
