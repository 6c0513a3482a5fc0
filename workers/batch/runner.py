"""Runs the lines of a batch on an engine: enough of them at a time to keep it full, and no more.

One life of a line: read → parsed → submitted → gathered → written, or an error written at the first place
where something is wrong with it. What is wrong with the engine or the disk ends the run instead, and the next
run does the lines that have no result then. Not here: threads (the engine has its own; all of this is on the
caller's), the files.
"""

import time
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Protocol

from model.tokenizer.tokenizer import Tokenizer
from protos.errors import CapacityError, EngineStoppedError, InvalidRequestError, RequestCancelledError
from workers.batch.input_file import InputLine
from workers.batch.line_request import parse_line, request_of
from workers.batch.line_result import LineResult, error_document
from workers.batch.output_file import OutputFile
from workers.batch.progress import BatchProgress
from workers.batch.summary import BatchSummary
from workers.engine.events import ChoiceDelta, Event, RequestEnded
from workers.engine.request import GenerationRequest

_PATIENCE_S = 5.0
_PAUSE_S = 0.01
_ID_DIGEST_BYTES = 16


class Submits(Protocol):
    """What `workers.engine.engine.Engine` is to a batch."""

    def submit(self, request: GenerationRequest) -> None: ...


class Delivered(Protocol):
    """The queue that the engine delivers into; it never holds more than the lines in flight have to say."""

    def get(self) -> Sequence[Event]:
        """Waits for the events of a step."""
        ...


class BatchRunner:
    """`run` it once. `max_in_flight` is in sequences; a line with more choices runs alone."""

    def __init__(
        self,
        engine: Submits,
        events: Delivered,
        tokenizer: Tokenizer | None,
        output: OutputFile,
        summary: BatchSummary,
        progress: BatchProgress,
        *,
        max_in_flight: int,
    ) -> None:
        self._engine = engine
        self._events = events
        self._tokenizer = tokenizer
        self._output = output
        self._summary = summary
        self._progress = progress
        self._max_in_flight = max_in_flight
        self._live: dict[str, LineResult] = {}
        self._num_in_flight = 0
        self._id_to_line: dict[bytes, int] = {}  # by a digest, since ids may be long and many
        self._began = time.monotonic()

    def run(self, lines: Iterable[InputLine]) -> None:
        """Until every line has a result; EngineStoppedError when the engine gives up before."""
        self._began = time.monotonic()
        for line in lines:
            self._begin(line)
        while self._live:
            self._take_events()

    def _begin(self, line: InputLine) -> None:
        is_done = line in self._output.done
        line_id: str | None = None
        try:
            parsed = parse_line(line)
            line_id = parsed.id
            self._claim_id(line_id, line.number)
            if is_done:
                return
            request = request_of(parsed, f"line {line.number}", self._tokenizer)
        except InvalidRequestError as error:
            if not is_done:
                self._write(line, line_id, error_document(error), failed=True)
            return
        while self._live and self._num_in_flight + request.num_choices > self._max_in_flight:
            self._take_events()
        self._submit(LineResult(line, line_id, request), request)

    def _claim_id(self, line_id: str | None, number: int) -> None:
        if line_id is None:
            return
        digest = blake2b(line_id.encode(), digest_size=_ID_DIGEST_BYTES).digest()
        first = self._id_to_line.setdefault(digest, number)
        if first != number:
            raise InvalidRequestError(
                f"the id {line_id!r} is that of line {first} already; give each line its own, or none"
            )

    def _submit(self, result: LineResult, request: GenerationRequest) -> None:
        try:
            self._hand_over(request)
        except (InvalidRequestError, CapacityError) as error:
            self._write(result.line, result.line_id, error_document(error), failed=True)
            return
        self._live[request.request_id] = result
        self._num_in_flight += request.num_choices

    def _hand_over(self, request: GenerationRequest) -> None:
        """Wait while the engine is full. One that is full of nothing will never take the request."""
        patience_ends = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self._engine.submit(request)
            except CapacityError:
                if self._live:
                    self._take_events()
                elif time.monotonic() > patience_ends:
                    raise
                else:  # it may not have counted yet what it has just ended
                    time.sleep(_PAUSE_S)

    def _take_events(self) -> None:
        for event in self._events.get():
            result = self._live[event.request_id]
            if isinstance(event, RequestEnded):
                self._end(event, result)
                continue
            result.take(event)
            if isinstance(event, ChoiceDelta):
                self._summary.num_output_tokens += len(event.token_ids)
        self._report()

    def _end(self, event: RequestEnded, result: LineResult) -> None:
        if isinstance(event.error, EngineStoppedError | RequestCancelledError):
            raise event.error
        del self._live[event.request_id]
        self._num_in_flight -= result.num_choices
        self._summary.count_usage(event.usage)
        self._summary.num_output_tokens += event.usage.output_tokens - result.num_tokens
        document = result.document(event.usage) if event.error is None else error_document(event.error)
        self._write(result.line, result.line_id, document, failed=event.error is not None)

    def _write(
        self, line: InputLine, line_id: str | None, document: dict[str, object], *, failed: bool
    ) -> None:
        self._output.write(line.number, line_id, line.digest, document)
        self._summary.count_line(failed=failed)
        self._report()

    def _report(self) -> None:
        self._summary.seconds = time.monotonic() - self._began
        self._progress.show(self._summary)
