from pathlib import Path

import pytest

from protos.errors import ConfigError
from workers.batch.done_lines import DoneLines
from workers.batch.input_file import InputFile


@pytest.fixture
def input_file(tmp_path: Path) -> InputFile:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"a"}\n\n{"b"}\n{"c"}\n{"d"}\n')
    return InputFile.of(path)


def done_of(input_file: InputFile, *numbers: int) -> DoneLines:
    done = DoneLines()
    for line in input_file:
        if line.number in numbers:
            assert done.add(line.number, line.digest, failed=line.number == 3)
    return done


def test_lines_that_stand_as_they_were_are_counted(input_file: InputFile) -> None:
    done = done_of(input_file, 3, 5)
    assert done.check(input_file, "out") == 4
    assert (done.num_done, done.num_failed) == (2, 1)
    assert [line.number for line in input_file if line not in done] == [1, 4]


def test_no_line_twice(input_file: InputFile) -> None:
    done = done_of(input_file, 3)
    assert not done.add(3, 17, failed=False)
    assert done.num_done == 1


def test_lines_may_be_added_to_the_input(input_file: InputFile) -> None:
    done = done_of(input_file, 1, 3, 4, 5)
    with input_file.path.open("ab") as file:
        file.write(b'{"e"}\n')
    assert done.check(input_file, "out") == 5


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'{"a"}\n\n{"B"}\n{"c"}\n{"d"}\n', "line 3 of the input is another one now"),
        (b'{"a"}\n{"b"}\n{"c"}\n{"d"}\n', "line 3 of the input is another one now"),
        (b'{"a"}\n\n\n{"c"}\n{"d"}\n', "1 more than the input, which ends with line 5"),
        (b'{"a"}\n\n{"b"}\n', "1 more than the input, which ends with line 3"),
        (b"", "2 more than the input, which ends with line 0"),
    ],
)
def test_another_input_is_refused(input_file: InputFile, content: bytes, what: str) -> None:
    done = done_of(input_file, 3, 5)
    input_file.path.write_bytes(content)
    with pytest.raises(ConfigError, match=what) as raised:
        done.check(input_file, "out.jsonl")
    assert "out.jsonl holds results of another input" in str(raised.value)
    assert "name another output" in str(raised.value)
