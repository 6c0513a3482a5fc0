"""A batch's two files in a test's folder, and a whole run over them on the real, tiny model."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.batch.input_file import InputFile
from workers.batch.local_batch import LocalBatch, engine_settings
from workers.batch.output_file import OutputFile
from workers.batch.summary import BatchSummary
from workers.engine.local_engine import LocalEngineOptions

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BatchFiles:
    input: Path
    output: Path

    @classmethod
    def of(cls, folder: Path, lines: Sequence[object]) -> "BatchFiles":
        """Lines that are bytes are written as they are, others as JSON."""
        files = cls(folder / "in.jsonl", folder / "out.jsonl")
        files.write_input(lines)
        return files

    def write_input(self, lines: Sequence[object]) -> None:
        written = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        self.input.write_bytes(b"".join(line + b"\n" for line in written))

    @property
    def results(self) -> list[Result]:
        """As they stand in the output, every line whole."""
        content = self.output.read_bytes()
        assert not content or content.endswith(b"\n")
        return [json.loads(line) for line in content.splitlines()]

    @property
    def by_line(self) -> dict[int, Result]:
        results = self.results
        by_line = {result["line"]: result for result in results}
        assert len(by_line) == len(results), "a line was written twice"
        return by_line


def run(
    files: BatchFiles, model: Path, *, max_running: int = 4, deterministic: bool = False, drafts: int = 0
) -> BatchSummary:
    """What the command does, without its manners."""
    input_file = InputFile.of(files.input)
    options = LocalEngineOptions(
        settings=engine_settings(max_running, 64, drafts), cache_bytes=20_000_000, deterministic=deterministic
    )
    with OutputFile.opened(files.output, input_file.most_lines) as output:
        num_lines = output.done.check(input_file, str(output.path))
        summary = BatchSummary(num_lines, output.done.num_done, output.done.num_failed)
        LocalBatch(model, options, input_file, output, summary).run(io.StringIO(), lambda _: None)
    return summary


def texts(result: Result) -> list[str]:
    return [choice["text"] for choice in result["choices"]]
