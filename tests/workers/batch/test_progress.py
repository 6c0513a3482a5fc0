import io
import os
import pty
import termios
from collections.abc import Callable

from workers.batch.progress import LineProgress, progress_on
from workers.batch.summary import BatchSummary


def ticking(step_s: float) -> Callable[[], float]:
    """A clock that goes on by this much each time it is read."""
    now = [0.0]

    def read() -> float:
        now[0] += step_s
        return now[0]

    return read


def summary() -> BatchSummary:
    return BatchSummary(
        50,
        num_done_before=10,
        num_failed_before=1,
        num_done=7,
        num_failed=2,
        num_output_tokens=81,
        seconds=2.0,
    )


def test_a_log_gets_a_line_now_and_then() -> None:
    stream = io.StringIO()
    progress = LineProgress(stream, every_s=10, clock=ticking(3))
    for _ in range(8):
        progress.show(summary())
    assert stream.getvalue() == "17 of 50 lines, 3 failed, 40.5 tokens/s\n" * 2


def test_a_terminal_gets_a_bar() -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 100))
    with open(slave, "w") as terminal, progress_on(terminal, summary()) as progress:
        progress.show(summary())
        whole = summary()
        whole.num_done = 40
        progress.show(whole)
    shown = os.read(master, 100_000).decode()
    os.close(master)
    assert "17/50" in shown
    assert "50/50" in shown
    assert "3 failed, 40.5 tokens/s" in shown


def test_no_bar_off_a_terminal() -> None:
    stream = io.StringIO()
    with progress_on(stream, summary()) as progress:
        progress.show(summary())
    assert stream.getvalue() == ""
