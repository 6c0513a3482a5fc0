import io

from model.hub.file_progress import FileProgress, LineProgress, progress_on


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drive(progress: FileProgress) -> None:
    """Two files; the second starts again in the middle."""
    progress.begin(2, 3_000)
    progress.begin_file("a.bin", 1_000)
    progress.reach(400)
    progress.end_file("fetched")
    progress.begin_file("b.bin", 2_000)
    progress.reach(1_500)
    progress.note("starting again")
    progress.reach(0)
    progress.reach(2_000)
    progress.end_file("already here")


def test_log_gets_one_line_a_file() -> None:
    stream = io.StringIO()
    with progress_on(stream) as progress:
        drive(progress)
    assert stream.getvalue().splitlines() == [
        "2 files, 3.00kB",
        "[1/2] fetched: a.bin (1.00kB)",
        "starting again",
        "[2/2] already here: b.bin (2.00kB)",
    ]


def test_terminal_gets_a_bar_over_all_bytes() -> None:
    stream = Terminal()
    with progress_on(stream) as progress:
        assert not isinstance(progress, LineProgress)
        drive(progress)
    last = stream.getvalue().rstrip().rpartition("\r")[2]
    assert "[2/2] b.bin: 100%" in last
    assert "3.00k/3.00k" in last
    assert "starting again\n" in stream.getvalue()
