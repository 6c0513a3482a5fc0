import os
import tracemalloc
from pathlib import Path

import pytest

from protos.errors import ConfigError
from workers.batch import input_file
from workers.batch.input_file import MAX_LINE_BYTES, InputFile


def written(folder: Path, content: bytes) -> InputFile:
    path = folder / "in.jsonl"
    path.write_bytes(content)
    return InputFile.of(path)


def test_lines_are_numbered_with_the_empty_ones(tmp_path: Path) -> None:
    file = written(tmp_path, b'\n{"a"}\n   \n\r\n{"b"}\r\n{"c"}')
    assert [(line.number, line.content) for line in file] == [(2, b'{"a"}'), (5, b'{"b"}'), (6, b'{"c"}')]
    assert list(file) == list(file)
    assert file.most_lines >= 6


def test_nothing_in_the_file(tmp_path: Path) -> None:
    assert list(written(tmp_path, b"")) == []
    assert list(written(tmp_path, b"\n\n")) == []


def test_the_digest_is_of_the_content_alone(tmp_path: Path) -> None:
    unix, windows = written(tmp_path, b"{}\n{ }\n{}"), tmp_path / "windows"
    windows.write_bytes(b"\xef\xbb\xbf{}\r\n{ }\r\n{}\r\n")
    assert list(unix) == list(InputFile.of(windows))
    first, second, third = unix
    assert first.digest == third.digest != second.digest
    assert 0 < first.digest < 1 << 64


def test_a_byte_order_mark_is_one_at_the_beginning_only(tmp_path: Path) -> None:
    _, second = written(tmp_path, b"{}\n\xef\xbb\xbf{}\n")
    assert second.content == b"\xef\xbb\xbf{}"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_the_longest_line(tmp_path: Path, end: bytes) -> None:
    (line,) = written(tmp_path, b"x" * MAX_LINE_BYTES + end)
    assert line.content == b"x" * MAX_LINE_BYTES


@pytest.mark.parametrize("surplus", [1, 2, 3, 5_000_000])
def test_a_line_that_is_too_long_is_passed_over_without_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, surplus: int
) -> None:
    monkeypatch.setattr(input_file, "MAX_LINE_BYTES", 100_000)
    file = written(tmp_path, b"a\n" + b"x" * (100_000 + surplus) + b"\nb\n")
    tracemalloc.start()
    first, long, last = file
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (first.content, long.content, last.content) == (b"a", None, b"b")
    assert (long.number, last.number) == (2, 3)
    assert peak < 4_000_000
    (tmp_path / "in.jsonl").write_bytes(b"a\n" + b"x" * (99_999 + surplus) + b"y\nb\n")
    assert list(file)[1].digest != long.digest, "its end counts too"


def test_what_cannot_be_read_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        InputFile.of(tmp_path / "missing")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        InputFile.of(tmp_path)
    with pytest.raises(ConfigError, match="is not a regular file"):
        InputFile.of(Path(os.devnull))
