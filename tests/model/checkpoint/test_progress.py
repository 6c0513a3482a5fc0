import pytest

from model.checkpoint.progress import ProgressBar


def test_a_forced_bar_shows_bytes_and_rate_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("loading", 4 << 20, force=True) as progress:
        progress.advance(3 << 20)
        progress.advance(1 << 20)
    captured = capsys.readouterr()
    assert captured.out == ""
    last_line = captured.err.strip().split("\r")[-1]
    assert last_line.startswith("loading: 100%")
    assert "4.00M/4.00M" in last_line
    assert "B/s" in last_line


def test_off_a_terminal_it_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("loading", 4) as progress:
        progress.advance(4)
    assert capsys.readouterr() == ("", "")
