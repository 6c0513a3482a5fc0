"""An engine with its thread, whose steps and deliveries wait until a test lets them go on."""

import queue
import threading
from collections.abc import Callable, Sequence

from model.sampling.parameters import SamplingParameters
from protos.errors import ExpertMeshError
from tests.workers.engine.paper_engine import PaperEngine
from workers.engine.engine import Engine
from workers.engine.events import Event, RequestEnded
from workers.engine.request import GenerationRequest
from workers.engine.step_work import Work, WorkResult

GREEDY = SamplingParameters(temperature=0.0)
PATIENCE_S = 30.0


class Client:
    """An engine and what it has delivered."""

    def __init__(self, max_waiting: int = 20) -> None:
        self.paper = PaperEngine(num_pages=200)
        self.may_step = threading.Event()
        self.may_step.set()
        self._run_step: Callable[[Sequence[Work]], list[WorkResult]] = self.paper.model.run
        self.paper.core._model = self
        self.fail_with: Exception | None = None
        self.batches: queue.SimpleQueue[Sequence[Event]] = queue.SimpleQueue()
        self.may_hear = threading.Event()
        self.may_hear.set()
        self.engine = Engine(
            self.paper.core, self.paper.admission, max_waiting=max_waiting, deliver=self.hear
        )
        self.engine.start()

    def run(self, works: Sequence[Work]) -> list[WorkResult]:
        """Of a step model: waits until it may, and breaks when it is told to."""
        assert self.may_step.wait(PATIENCE_S)
        if self.fail_with is not None:
            raise self.fail_with
        return self._run_step(works)

    def hear(self, events: Sequence[Event]) -> None:
        assert self.may_hear.wait(PATIENCE_S)
        self.batches.put(events)

    def forget(self, choice_key: int) -> None:
        self.paper.model.forget(choice_key)

    def close(self) -> None:
        self.paper.model.close()

    def submit(self, name: str, **wishes: int | float | None) -> GenerationRequest:
        request = GenerationRequest(name, (1, 2, 3), GREEDY, **{"max_tokens": 5, **wishes})  # type: ignore[arg-type]
        self.engine.submit(request)
        return request

    def ends(self, count: int) -> dict[str, ExpertMeshError | None]:
        """The next so many terminal events."""
        found: dict[str, ExpertMeshError | None] = {}
        while len(found) < count:
            for event in self.batches.get(timeout=PATIENCE_S):
                if isinstance(event, RequestEnded):
                    assert event.request_id not in found
                    found[event.request_id] = event.error
        return found
