import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.report import BenchmarkError, Row, compared, run


def test_less_time_is_a_higher_ratio() -> None:
    row = compared("load", "s", 2.0, peer_name="them", peer=3.0, higher_is_better=False, goal=1.6)
    assert (row.ratio, row.met) == (1.5, False)


def test_more_tokens_are_a_higher_ratio() -> None:
    row = compared("decode", "tokens/s", 3.0, peer_name="them", peer=2.0, higher_is_better=True, goal=1.5)
    assert (row.ratio, row.met) == (1.5, True)


def test_without_a_goal_nothing_is_met_or_missed() -> None:
    row = compared("load", "s", 2.0, peer_name="them", peer=3.0, higher_is_better=False)
    assert (row.goal, row.met) == (None, None)


def two_rows(quick: bool) -> Sequence[Row]:
    slow = compared("copy", "s", 0.123456, peer_name="memcpy", peer=0.1, higher_is_better=False, goal=0.9)
    return [slow, Row("size", "bytes", 5.0 if quick else 7.0)]


def test_the_command_prints_a_table_and_writes_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    assert run("copy", ["torch", "no-such-package"], two_rows, ["--quick", "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    assert list(report) == ["benchmark", "commit", "date", "machine", "versions", "rows"]
    assert report["benchmark"] == "copy"
    assert report["versions"].keys() == {"python", "torch", "no-such-package"}
    assert report["versions"]["no-such-package"] == "absent"
    assert report["rows"] == [
        {
            "name": "copy",
            "unit": "s",
            "ours": 0.123456,
            "peer_name": "memcpy",
            "peer": 0.1,
            "ratio": pytest.approx(0.81, abs=0.001),
            "goal": 0.9,
            "met": False,
        },
        {
            "name": "size",
            "unit": "bytes",
            "ours": 5.0,
            "peer_name": None,
            "peer": None,
            "ratio": None,
            "goal": None,
            "met": None,
        },
    ]
    assert capsys.readouterr().out.splitlines() == [
        "      ours     peer           ratio  goal",
        "copy  0.123 s  0.1 s  memcpy  0.81   0.9   MISSED",
        "size  5 bytes",
    ]


def test_without_quick_and_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("copy", [], two_rows, []) == 0
    assert "size  7 bytes" in capsys.readouterr().out


def test_a_benchmark_that_cannot_run_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(quick: bool) -> Sequence[Row]:
        raise BenchmarkError(f"no room, quick or not ({quick})")

    file = tmp_path / "report.json"
    assert run("copy", [], fail, ["--json", str(file)]) == 1
    assert capsys.readouterr().err == "python -m benchmarks.copy: no room, quick or not (False)\n"
    assert not file.exists()
