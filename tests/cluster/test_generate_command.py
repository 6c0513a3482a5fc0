"""`expertmesh generate` as a person runs it: killed, stopped, resumed, refused."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster.cli import main
from tests.workers.batch.batch_files import BatchFiles
from tests.workers.engine.tiny_engine import write_spoken_model

SOURCE_TREE = Path(__file__).parents[2]
ENGINE = (
    "--deterministic",
    "--cache-gb",
    "0.02",
    "--max-running",
    "3",
    "--tokens-per-step",
    "64",
    "--device",
    "cpu",
)

SLOW_STEPS = """
import sys, torch
from workers.engine.local_step_model import LocalStepModel
def run(*_):
    matrix = torch.randn(1500, 1500)
    while True:  # Python aborts when it ends itself beside such a thread
        matrix @ matrix
LocalStepModel.run = run
from workers.batch import local_batch
local_batch._LAST_STEP_S = 0.2
from cluster.cli import main
sys.exit(main(sys.argv[1:]))
"""
BROKEN_STEPS = """
import sys
from workers.engine.local_step_model import LocalStepModel
run, steps = LocalStepModel.run, []
def run_or_break(self, works):
    steps.append(works)
    assert len(steps) < 9, "the device is gone"
    return run(self, works)
LocalStepModel.run = run_or_break
from cluster.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_spoken_model(folder)
    return folder


def lines(count: int = 12) -> list[dict[str, Any]]:
    """Of different lengths, so that they end out of order."""
    return [
        {
            "id": f"n{index}",
            "prompt": f"line {index}",
            "max_tokens": 3 + 5 * (index % 3),
            "seed": index,
            "n": 2,
        }
        for index in range(count)
    ]


def command(files: BatchFiles, model: Path | str, python: Sequence[str] = ("-m", "cluster")) -> list[str]:
    names = ["--model", str(model), "--input", str(files.input), "--output", str(files.output)]
    return [sys.executable, "-W", "error", *python, "generate", *names, *ENGINE]


def run(
    files: BatchFiles, model: Path | str, python: Sequence[str] = ("-m", "cluster")
) -> tuple[int, str, str]:
    done = subprocess.run(
        command(files, model, python),
        cwd=SOURCE_TREE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def started(
    files: BatchFiles, model: Path, python: Sequence[str] = ("-m", "cluster")
) -> "subprocess.Popen[str]":
    return subprocess.Popen(command(files, model, python), cwd=SOURCE_TREE, stderr=subprocess.PIPE, text=True)


def wait_for_lines(files: BatchFiles, count: int) -> None:
    deadline = time.monotonic() + 40
    while not files.output.exists() or files.output.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def outcome(files: BatchFiles) -> dict[int, Any]:
    """What must not depend on interruptions."""
    return {number: (result["id"], result["choices"]) for number, result in files.by_line.items()}


def test_killed_twice_and_resumed_it_is_as_if_never_disturbed(tmp_path: Path, model: Path) -> None:
    files = BatchFiles.of(tmp_path, lines())
    for count in (2, 5):
        with started(files, model) as process:
            wait_for_lines(files, count)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert files.output.read_bytes().count(b"\n") < 12, "killed in the middle"
    with files.output.open("ab") as file:
        file.write(b'{"line": 9, "id": "n8", "input": "01')  # what a kill within a write leaves
    before = files.output.read_bytes()
    status, printed, said = run(files, model)
    assert status == 0, said
    assert files.output.read_bytes().startswith(before[: before.rindex(b"\n") + 1])
    assert "was cut short; its 36 bytes are taken off" in said
    assert "0 failed" in printed
    undisturbed = BatchFiles(files.input, tmp_path / "undisturbed.jsonl")
    assert run(undisturbed, model)[0] == 0
    assert outcome(files) == outcome(undisturbed)
    assert sorted(files.by_line) == list(range(1, 13))


def test_ctrl_c_is_quick_and_says_how_to_go_on(tmp_path: Path, model: Path) -> None:
    files = BatchFiles.of(tmp_path, lines(30))
    with started(files, model) as process:
        wait_for_lines(files, 2)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, said = process.communicate(timeout=20)
    assert time.monotonic() - began < 4
    assert process.returncode == 130
    count = len(files.by_line)
    assert 2 <= count < 30
    assert said.endswith(
        f"expertmesh: stopped. {count} of 30 lines have a result; run the same command again to do the rest\n"
    )
    assert "Traceback" not in said
    assert all("choices" in result for result in files.results)


def test_ctrl_c_in_a_long_step_does_not_wait_for_it(tmp_path: Path, model: Path) -> None:
    files = BatchFiles.of(tmp_path, lines(3))
    with started(files, model, ("-c", SLOW_STEPS)) as process:
        assert process.stderr is not None
        assert "a sequence can have" in process.stderr.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, said = process.communicate(timeout=20)
    assert time.monotonic() - began < 4
    assert (process.returncode, files.results) == (130, [])
    assert said.startswith("expertmesh: stopped. 0 of 3 lines")


def test_an_engine_that_breaks_leaves_what_is_done(tmp_path: Path, model: Path) -> None:
    files = BatchFiles.of(tmp_path, lines(9))
    status, _, said = run(files, model, ("-c", BROKEN_STEPS))
    assert status == 1
    assert "AssertionError: the device is gone" in said
    assert "expertmesh: the engine broke: AssertionError('the device is gone')" in said
    count = len(files.by_line)
    assert 0 < count < 9
    assert f"{count} of 9 lines have a result; run the same command again" in said
    assert run(files, model)[0] == 0
    assert len(files.by_line) == 9


def test_lines_that_fail_make_the_status_1_and_stay_failed(tmp_path: Path, model: Path) -> None:
    files = BatchFiles.of(tmp_path, [b"{", *lines(2), {"prompt": "a", "top_kk": 1}, b"", b"  "])
    status, printed, said = run(files, model)
    assert status == 1
    assert "4 done now, 0 before; 2 failed" in printed
    assert said.endswith(f"expertmesh: 2 of 4 lines have failed; {files.output} says why\n")
    assert [number for number, result in sorted(files.by_line.items()) if "error" in result] == [1, 4]
    before = files.output.read_bytes()
    status, printed, said = run(files, model)
    assert (status, files.output.read_bytes()) == (1, before)
    assert "0 done now, 4 before; 2 failed" in printed
    assert "a sequence can have" not in said, "no model is loaded for nothing"


@pytest.mark.parametrize("content", [[], [b"", b"   "]])
def test_nothing_to_do(tmp_path: Path, model: Path, content: list[bytes]) -> None:
    files = BatchFiles.of(tmp_path, content)
    status, printed, said = run(files, model)
    assert (status, said, files.output.read_bytes()) == (0, "", b"")
    assert printed.startswith("lines:   0 done now, 0 before; 0 failed\n")


def test_a_changed_input_is_refused(tmp_path: Path, model: Path) -> None:
    files = BatchFiles.of(tmp_path, lines(3))
    assert run(files, model)[0] == 0
    before = files.output.read_bytes()
    changed = lines(3)
    changed[1]["seed"] = 77
    files.write_input(changed)
    status, printed, said = run(files, model)
    assert (status, printed, files.output.read_bytes()) == (1, "", before)
    assert "holds results of another input: line 2 of the input is another one now" in said
    assert len(said.splitlines()) == 1


def test_two_runs_do_not_share_an_output(tmp_path: Path, model: Path) -> None:
    files = BatchFiles.of(tmp_path, lines(40))
    with started(files, model) as first:
        wait_for_lines(files, 1)
        status, _, said = run(files, model)
        assert (status, f"another run is writing {files.output}" in said) == (1, True)
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=20)
    assert len(files.by_line) >= 1


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--model", "./missing"], "the model ./missing does not exist"),
        (["--model", "acme/none"], "run `expertmesh pull acme/none` first"),
        (["--input", "missing.jsonl"], "the input missing.jsonl cannot be read"),
        (["--output", "."], "cannot be opened: Is a directory"),
        (["--device", "toaster"], "--device toaster is not a device"),
        (["--device", "cuda:99"], "--device cuda:99 is not here"),
        (["--cache-gb", "0"], "--cache-gb is 0; it must be above 0"),
        (["--cache-gb", "nan"], "--cache-gb is nan"),
        (["--cache-gb", "0.0000001"], "GB of memory are there for cache and steps"),
        (["--context-limit", "0"], "--context-limit is 0"),
        (["--max-running", "0"], "max_running is 0"),
        (["--tokens-per-step", "1"], "tokens_per_step is 1; it must be at least 3"),
        (["--drafts", "-1"], "num_tokens of drafts is -1"),
    ],
)
def test_a_foreseen_failure_is_one_sentence(
    tmp_path: Path, model: Path, more: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = BatchFiles.of(tmp_path, lines(1))
    assert main([*command(files, model)[5:], *more]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert sentence in printed.err
    assert len(printed.err.splitlines()) == 1


def test_the_output_is_not_the_input(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = BatchFiles.of(tmp_path, lines(1))
    before = files.input.read_bytes()
    same = ["--output", str(tmp_path / "." / "in.jsonl")]
    assert main([*command(files, model)[5:], *same]) == 1
    assert "is the input itself" in capsys.readouterr().err
    assert files.input.read_bytes() == before


def test_the_summary_counts(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = BatchFiles.of(tmp_path, lines(3))
    assert main([*command(files, model)[5:], "--drafts", "2"]) == 0
    report = capsys.readouterr().out.splitlines()
    usages = [result["usage"] for result in files.results]
    assert report[0] == "lines:   3 done now, 0 before; 0 failed"
    assert report[1].startswith(f"tokens:  {sum(usage['prompt_tokens'] for usage in usages)} of prompts, ")
    assert f" {sum(usage['output_tokens'] for usage in usages)} of output, " in report[2]
    assert report[4].startswith(
        f"drafts:  {sum(usage['drafted_tokens'] for usage in usages)} tokens guessed, "
    )
    assert report[5] == f"output:  {files.output}"


def test_help_shows_a_line_that_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["generate", "--help"])
    shown = capsys.readouterr().out
    example = next(line for line in shown.splitlines() if line.startswith('  {"id": "a"'))
    assert json.loads(example)["stop"] == "\n\n"
    assert "--max-running 256" in shown
