import os
from functools import partial
from pathlib import Path

import pytest

from benchmarks.page_cache import bytes_from_disk, drop_cached

NUM_BYTES = 4 << 20


def test_a_cached_file_is_not_read_from_disk_and_a_dropped_one_is(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(NUM_BYTES))
    read = partial(file.read_bytes)
    assert bytes_from_disk(read) == 0
    drop_cached(file)
    from_disk = bytes_from_disk(read)
    if from_disk == 0:
        pytest.skip("this file system lives in memory")
    assert from_disk >= NUM_BYTES
    assert bytes_from_disk(read) == 0
