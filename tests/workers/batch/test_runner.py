"""The runner beside an engine on paper: how much is in flight, in which order, and what ends the run."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from protos.errors import (
    BrokenLogitsError,
    CapacityError,
    ConfigError,
    DeadlineExpiredError,
    EngineStoppedError,
    ExpertMeshError,
    InvalidRequestError,
    RequestCancelledError,
)
from tests.workers.batch.batch_files import BatchFiles, Result
from workers.batch import runner
from workers.batch.input_file import InputFile, InputLine
from workers.batch.output_file import OutputFile
from workers.batch.progress import SilentProgress
from workers.batch.runner import BatchRunner
from workers.batch.summary import BatchSummary
from workers.engine.events import ChoiceDelta, Event, FinishReason, RequestEnded, Usage
from workers.engine.request import GenerationRequest


class PaperEngine:
    """Ends the newest request whenever somebody waits, and echoes its prompt. It is its own queue."""

    def __init__(self, capacity: int = 1000) -> None:
        self.capacity = capacity
        self.live: list[GenerationRequest] = []
        self.most_sequences = 0
        self.waited_with: list[int] = []
        self.num_refusals = 0
        self.id_to_error: dict[str, ExpertMeshError] = {}

    def submit(self, request: GenerationRequest) -> None:
        if request.prompt == (13,):
            raise InvalidRequestError("13 is unlucky")
        if self.num_sequences + request.num_choices > self.capacity:
            self.num_refusals += 1
            raise CapacityError("the engine is full")
        self.live.append(request)
        self.most_sequences = max(self.most_sequences, self.num_sequences)

    @property
    def num_sequences(self) -> int:
        return sum(request.num_choices for request in self.live)

    def get(self) -> Sequence[Event]:
        assert self.live, "somebody waits for nothing"
        self.waited_with.append(self.num_sequences)
        request = self.live.pop()
        error = self.id_to_error.get(request.request_id)
        usage = Usage(len(request.prompt), 1, 2 * request.num_choices, 0, 3, 2, 0.0, 0.0)
        end = RequestEnded(request.request_id, usage, error)
        if error is not None:
            return [end]
        deltas = [
            ChoiceDelta(request.request_id, index, request.prompt[:1], "x", (), FinishReason.STOP)
            for index in range(request.num_choices)
        ]
        return [*deltas, end]


class Batch:
    """Lines through a runner into a file."""

    def __init__(self, folder: Path, lines: Sequence[object], engine: PaperEngine | None = None) -> None:
        self.files = BatchFiles.of(folder, lines)
        self.engine = engine or PaperEngine()
        self.summary = BatchSummary(len(lines))
        self.most_held = 0

    def run(self, max_in_flight: int = 4) -> dict[int, Result]:
        input_file = InputFile.of(self.files.input)
        with OutputFile.opened(self.files.output, input_file.most_lines) as output:
            BatchRunner(
                self.engine,
                self.engine,
                None,
                output,
                self.summary,
                SilentProgress(),
                max_in_flight=max_in_flight,
            ).run(self._watched(input_file))
        return self.files.by_line

    def _watched(self, input_file: InputFile) -> Iterator[InputLine]:
        for num_read, line in enumerate(input_file, start=1):
            self.most_held = max(self.most_held, num_read - self.summary.num_done)
            yield line


def ids(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"prompt": [20 + index], **more} for index in range(count)]


def test_as_many_in_flight_as_may_be_and_no_line_read_before_its_time(tmp_path: Path) -> None:
    batch = Batch(tmp_path, ids(50))
    results = batch.run(max_in_flight=6)
    assert sorted(results) == list(range(1, 51))
    assert batch.engine.most_sequences == 6
    assert batch.engine.waited_with == [6] * 45 + [5, 4, 3, 2, 1], "the engine was kept full"
    assert batch.most_held == 7  # and the one that waits for its place


def test_results_carry_the_number_of_their_line_in_whatever_order_they_come(tmp_path: Path) -> None:
    batch = Batch(tmp_path, ids(9))
    results = batch.run()
    assert [result["line"] for result in batch.files.results] != list(range(1, 10))
    assert {line: result["choices"][0]["token_ids"] for line, result in results.items()} == {
        line: [19 + line] for line in range(1, 10)
    }


def test_choices_count_as_sequences_and_a_wide_line_runs_alone(tmp_path: Path) -> None:
    lines = [{"prompt": [1], "n": 3}, {"prompt": [2], "n": 3}, {"prompt": [3], "n": 99}, {"prompt": [4]}]
    batch = Batch(tmp_path, lines)
    results = batch.run(max_in_flight=5)
    assert [len(results[line]["choices"]) for line in (1, 2, 3, 4)] == [3, 3, 99, 1]
    assert batch.engine.most_sequences == 99


def test_an_engine_that_is_full_is_waited_for(tmp_path: Path) -> None:
    batch = Batch(tmp_path, ids(20), PaperEngine(capacity=3))
    results = batch.run(max_in_flight=10)
    assert len(results) == 20
    assert batch.engine.num_refusals > 0
    assert batch.summary.num_failed == 0


def test_a_line_that_never_fits_is_an_error_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_PATIENCE_S", 0.05)
    batch = Batch(tmp_path, [*ids(2), {"prompt": [1], "n": 9}, *ids(2)], PaperEngine(capacity=3))
    results = batch.run(max_in_flight=3)
    assert results[3]["error"] == {
        "type": "CapacityError",
        "message": "the engine is full",
        "retryable": True,
    }
    assert batch.engine.num_refusals > 1
    assert sum("choices" in result for result in results.values()) == 4


def test_errors_of_a_line_are_its_result(tmp_path: Path) -> None:
    engine = PaperEngine()
    engine.id_to_error = {"line 2": DeadlineExpiredError("late"), "line 3": BrokenLogitsError((0,))}
    lines = [*ids(3), {"prompt": [13], "id": "unlucky"}, {"prompt": [9], "wrong": 1, "id": "typo"}, b"{", []]
    batch = Batch(tmp_path, lines, engine)
    results = batch.run()
    assert {
        line: (result["id"], result["error"]["type"]) for line, result in results.items() if line > 1
    } == {
        2: (None, "DeadlineExpiredError"),
        3: (None, "BrokenLogitsError"),
        4: ("unlucky", "InvalidRequestError"),
        5: ("typo", "InvalidRequestError"),
        6: (None, "InvalidRequestError"),
        7: (None, "InvalidRequestError"),
    }
    assert results[2]["error"] == {"type": "DeadlineExpiredError", "message": "late", "retryable": True}
    assert "choices" in results[1]
    assert (batch.summary.num_done, batch.summary.num_failed) == (7, 6)


def test_an_id_belongs_to_the_first_line_that_has_it(tmp_path: Path) -> None:
    lines = [
        {"id": "a", "prompt": [1], "wrong": 1},
        {"id": "a", "prompt": [1]},
        {"prompt": [1]},
        {"prompt": [1]},
        {"id": "b", "prompt": [1]},
        {"id": "a", "prompt": [2]},
        {"id": "", "prompt": [2]},
        {"id": "", "prompt": [2]},
    ]
    batch = Batch(tmp_path, lines)
    results = batch.run()
    assert [line for line in sorted(results) if "error" in results[line]] == [1, 2, 6, 8]
    assert results[6]["id"] == "a"
    assert results[6]["error"]["message"].startswith("the id 'a' is that of line 1 already")


@pytest.mark.parametrize("error", [EngineStoppedError("broke"), RequestCancelledError("gone")])
def test_what_ends_the_engine_is_no_result(tmp_path: Path, error: ExpertMeshError) -> None:
    engine = PaperEngine()
    engine.id_to_error["line 5"] = error
    batch = Batch(tmp_path, ids(9), engine)
    with pytest.raises(type(error)):
        batch.run()
    done = batch.files.by_line
    assert 5 not in done
    assert all("choices" in result for result in done.values())

    again = Batch(tmp_path, ids(9))
    assert sorted(again.run()) == list(range(1, 10))
    assert again.summary.num_done == 9 - len(done)
    assert {line: again.files.by_line[line] for line in done} == done


def test_a_resumed_run_knows_the_ids_of_lines_that_are_done(tmp_path: Path) -> None:
    first = [{"id": "a", "prompt": [1]}]
    Batch(tmp_path, first).run()
    results = Batch(tmp_path, [*first, {"id": "a", "prompt": [2]}]).run()
    assert "is that of line 1 already" in results[2]["error"]["message"]


def test_lines_that_failed_are_not_done_again(tmp_path: Path) -> None:
    lines = [b"{", *ids(2), {"prompt": [13]}]
    Batch(tmp_path, lines).run()
    before = (tmp_path / "out.jsonl").read_bytes()
    again = Batch(tmp_path, lines)
    again.run()
    assert again.summary.num_done == 0
    assert (tmp_path / "out.jsonl").read_bytes() == before


def test_a_disk_that_fails_is_not_the_fault_of_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def write(_: OutputFile, number: int, *__: object) -> None:
        written.append(number)
        raise ConfigError("no room")

    batch = Batch(tmp_path, [b"{", *ids(3)])
    monkeypatch.setattr(OutputFile, "write", write)
    with pytest.raises(ConfigError, match="no room"):
        batch.run()
    assert written == [1]


def test_usage_is_summed(tmp_path: Path) -> None:
    batch = Batch(tmp_path, [*ids(4), {"prompt": [1, 2, 3], "n": 2}])
    batch.run()
    summary = batch.summary
    assert (summary.num_prompt_tokens, summary.num_cached_tokens) == (7, 5)
    assert summary.num_output_tokens == 4 * 2 + 4, "tokens that were not shown count too"
    assert (summary.num_drafted, summary.num_accepted) == (15, 10)
    assert summary.tokens_per_s == summary.num_output_tokens / summary.seconds
