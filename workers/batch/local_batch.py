"""Runs a batch on an engine of this process: loads the model, runs the lines, and ends the engine in time.

Not here: the files, which are opened and checked before anything as slow as a model is loaded.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TextIO

from workers.batch.input_file import InputFile
from workers.batch.output_file import OutputFile
from workers.batch.progress import progress_on
from workers.batch.runner import BatchRunner
from workers.batch.summary import BatchSummary
from workers.engine.engine import Engine
from workers.engine.events import Event
from workers.engine.local_engine import LocalEngineOptions, load_model, local_engine, open_tokenizer
from workers.engine.request import MAX_CHOICES
from workers.engine.settings import DraftSettings, EngineSettings

_IN_FLIGHT = 2
"""Times max_running: while some run, others wait to take their places at once."""

_TOKENS_PER_STEP = EngineSettings().tokens_per_step

_LAST_STEP_S = 3.0
"""How long an interruption waits for the step that runs."""


def engine_settings(max_running: int, tokens_per_step: int | None, num_drafts: int) -> EngineSettings:
    """For an engine that has only a batch to do: room for all that is in flight, or for the widest line."""
    return EngineSettings(
        max_running=max_running,
        max_waiting=max(_IN_FLIGHT * max_running, MAX_CHOICES),
        tokens_per_step=max(_TOKENS_PER_STEP, max_running) if tokens_per_step is None else tokens_per_step,
        drafts=DraftSettings(num_drafts) if num_drafts else None,
    )


@dataclass(slots=True)
class LocalBatch:
    """What to run, and on what. After an interruption it may be busy still: a step cannot be cut."""

    folder: Path
    options: LocalEngineOptions
    input_file: InputFile
    output: OutputFile
    summary: BatchSummary
    is_busy: bool = field(default=False, init=False)

    def run(self, stream: TextIO, note: Callable[[str], None]) -> None:
        """Until every line has a result. `stream` shows the progress, `note` gets sentences."""
        model = load_model(self.folder, self.options)
        tokenizer = open_tokenizer(self.folder, model.config)
        events: SimpleQueue[Sequence[Event]] = SimpleQueue()
        engine = local_engine(model, tokenizer, self.options, events.put)
        note(
            f"{self.folder} on {self.options.device}, {str(model.dtype).removeprefix('torch.')}; a sequence "
            f"can have {engine.context_limit} tokens"
        )
        with self._running(engine), progress_on(stream, self.summary) as progress:
            runner = BatchRunner(
                engine,
                events,
                tokenizer,
                self.output,
                self.summary,
                progress,
                max_in_flight=_IN_FLIGHT * self.options.settings.max_running,
            )
            runner.run(self.input_file)

    @contextmanager
    def _running(self, engine: Engine) -> Iterator[None]:
        engine.start()
        try:
            yield
        except KeyboardInterrupt:
            closing = threading.Thread(target=engine.close, daemon=True)
            closing.start()
            closing.join(_LAST_STEP_S)
            self.is_busy = closing.is_alive()
            raise
        except BaseException:
            engine.close()
            raise
        engine.close()
