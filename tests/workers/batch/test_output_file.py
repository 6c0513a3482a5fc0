import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from protos.errors import ConfigError
from workers.batch.input_file import InputLine
from workers.batch.output_file import OutputFile

GOOD: dict[str, object] = {"choices": []}
BAD: dict[str, object] = {"error": {"type": "X"}}
DIGEST = 0x0123456789ABCDEF


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def write_two(path: Path) -> bytes:
    with OutputFile.opened(path, 100) as output:
        output.write(7, "a", DIGEST, GOOD)
        output.write(2, None, 5, BAD)
    return path.read_bytes()


def line(number: int, digest: int = DIGEST) -> InputLine:
    return InputLine(number, digest, b"")


def test_what_is_written_is_found_again(path: Path) -> None:
    content = write_two(path)
    assert content == (
        b'{"line": 7, "id": "a", "input": "0123456789abcdef", "choices": []}\n'
        b'{"line": 2, "id": null, "input": "0000000000000005", "error": {"type": "X"}}\n'
    )
    with OutputFile.opened(path, 7) as output:
        assert (output.done.num_done, output.done.num_failed, output.num_bytes_cut) == (2, 1, 0)
        assert [number for number in range(1, 10) if line(number) in output.done] == [2, 7]
    assert path.read_bytes() == content


def test_every_cut_is_mended(path: Path) -> None:
    content = write_two(path)
    first = content.index(b"\n") + 1
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with OutputFile.opened(path, 7) as output:
            num_whole = (size >= first) + (size == len(content))
            assert output.done.num_done == num_whole
            assert output.num_bytes_cut == size - first * num_whole
            assert output.done.num_failed == 0
        assert path.read_bytes() == content[: first * num_whole]


def test_a_broken_last_line_with_an_end_is_cut_too(path: Path) -> None:
    content = write_two(path)
    path.write_bytes(content + b'{"line": 3, "id"\n')
    with OutputFile.opened(path, 7) as output:
        assert output.num_bytes_cut == 17
        output.write(3, None, 1, GOOD)
    assert (
        path.read_bytes()
        == content + b'{"line": 3, "id": null, "input": "0000000000000001", "choices": []}\n'
    )


@pytest.mark.parametrize(
    ("stranger", "fault"),
    [
        (b"my notes", "line 3 of .* it has no end"),
        (b"my notes\n", "line 3 of .*Expecting value"),
        (b"[]\n", "expected an object"),
        (b"{}\n", "its line is None"),
        (b'{"line": 101, "input": "0123456789abcdef", "choices": []}\n', "its line is 101, .* at most 100"),
        (b'{"line": 0, "input": "0123456789abcdef", "choices": []}\n', "its line is 0"),
        (b'{"line": true, "input": "0123456789abcdef", "choices": []}\n', "its line is True"),
        (b'{"line": 1, "input": "0123", "choices": []}\n', "its input is '0123'"),
        (b'{"line": 1, "input": "0000000000000000", "choices": []}\n', "its input is '0000000000000000'"),
        (b'{"line": 1, "input": 5, "choices": []}\n', "its input is 5"),
        (b'{"line": 1, "input": "0123456789abcdef"}\n', "choices or an error"),
        (b'{"line": 1, "input": "0123456789abcdef", "choices": [], "error": {}}\n', "choices or an error"),
        (b'{"line": 7, "input": "0123456789abcdef", "choices": []}\n', "line 7 has a result already"),
    ],
)
def test_somebody_elses_line_is_refused_and_left(path: Path, stranger: bytes, fault: str) -> None:
    content = write_two(path) + stranger
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=fault), OutputFile.opened(path, 100):
        pass
    assert path.read_bytes() == content


def test_a_broken_line_in_the_middle_is_refused(path: Path) -> None:
    content = write_two(path)
    path.write_bytes(b'{"line": 1, "i\n' + content)
    with pytest.raises(ConfigError, match=r"line 1 of .*Invalid control"), OutputFile.opened(path, 100):
        pass
    assert path.read_bytes() == b'{"line": 1, "i\n' + content


def test_a_line_is_a_line_for_every_reader(path: Path) -> None:
    text = "é\u2028\u2029\x85\x0b\x0c\x1c\x1e\r\n🙂\ufffd"
    with OutputFile.opened(path, 1) as output:
        output.write(1, text, 1, {"choices": [text]})
    written = path.read_text()
    assert len(written.splitlines()) == 1
    assert "é" in written
    assert json.loads(written)["choices"] == [text] == [json.loads(written)["id"]]


def test_a_system_that_takes_a_line_in_pieces(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = write_two(path)
    path.unlink()
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:7]))
    assert write_two(path) == expected


def test_no_other_process_writes_the_same_file(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from workers.batch.output_file import OutputFile\n"
        "with OutputFile.opened(Path(sys.argv[1]), 9): print('mine')"
    )
    other = [sys.executable, "-c", code, str(path)]
    with OutputFile.opened(path, 9):
        refused = subprocess.run(other, capture_output=True, text=True, check=False)
        assert "ConfigError: another run is writing" in refused.stderr
        assert refused.stdout == ""
        with pytest.raises(ConfigError, match="another run is writing"), OutputFile.opened(path, 9):
            pass
    assert subprocess.run(other, capture_output=True, text=True, check=True).stdout == "mine\n"


def test_what_cannot_hold_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be opened: Is a directory"):
        OutputFile.opened(tmp_path, 1).__enter__()
    with pytest.raises(ConfigError, match="cannot be opened: No such file"):
        OutputFile.opened(tmp_path / "no/out", 1).__enter__()
    with pytest.raises(ConfigError, match="not a regular file"):
        OutputFile.opened(Path(os.devnull), 1).__enter__()


def test_a_full_disk_is_told_and_what_is_whole_stays(path: Path) -> None:
    """A limit on the size of files stands in for the disk: the system cuts the line in the same way."""
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))
from pathlib import Path
from workers.batch.output_file import OutputFile
with OutputFile.opened(Path({str(path)!r}), 100) as output:
    for number in range(1, 100):
        output.write(number, "x" * 20, 1, {{"choices": []}})
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 400
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ConfigError: " in done.stderr
    assert "cannot be written: File too large" in done.stderr
    assert path.stat().st_size == 400
    with OutputFile.opened(path, 100) as output:
        assert (output.done.num_done, output.num_bytes_cut > 0) == (4, True)
        output.write(5, None, 1, GOOD)
    assert [json.loads(each)["line"] for each in path.read_text().splitlines()] == [1, 2, 3, 4, 5]
