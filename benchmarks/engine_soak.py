"""An hour of random load, in minutes: `python -m benchmarks.engine_soak [--quick] --json F`.

A null model and a clock of our own: a step takes 30 ms of that clock, whatever it takes here. Requests of all
kinds come at random, some are cancelled, some expire; at the end nothing may be left over: no page, no
request without its end, no megabyte.
"""

import gc
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.null_model import null_engine
from benchmarks.report import Row, compared, run
from model.sampling.parameters import SamplingParameters
from protos.errors import InvalidRequestError
from workers.engine.admission import Admission
from workers.engine.core import EngineCore
from workers.engine.events import Event, RequestEnded
from workers.engine.request import GenerationRequest, Priority, StopRules
from workers.engine.settings import EngineSettings

NUM_PAGES = 600
STEP_S = 0.03
REQUESTS_PER_S = 3.0
NUM_CONVERSATIONS = 20
MEGABYTE = 1 << 20
STOP_TOKEN = StopRules(token_ids=frozenset({90}))


class Clock:
    """Moves when the load says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Load:
    """Random requests, and what has become of them."""

    def __init__(self, seed: int) -> None:
        self.clock = Clock()
        settings = EngineSettings(max_running=32, tokens_per_step=512)
        built: tuple[EngineCore, Admission] = null_engine(settings, NUM_PAGES, self.clock)
        self.core, self._admission = built
        assert self._admission.tokenizer is not None
        self._stop_string = StopRules(strings=(self._admission.tokenizer.decode([80, 81]),))
        self._random = random.Random(seed)
        self._open: set[str] = set()
        self._conversations: list[tuple[int, ...]] = []
        self.num_submitted = self.num_ended = self.num_admitted = self.num_ended_twice = 0

    def run(self, seconds: float) -> None:
        """So much of the load's own time."""
        end = self.clock.now + seconds
        next_arrival = self.clock.now
        while self.clock.now < end:
            while next_arrival <= self.clock.now:
                self._submit()
                next_arrival += self._random.expovariate(REQUESTS_PER_S)
            if self._open and self._random.random() < 0.01:
                self.core.cancel(self._random.choice(sorted(self._open)))
            self._listen(self.core.step())
            self.clock.now += STEP_S

    def finish(self) -> None:
        """No new requests; the rest ends."""
        while self.core.has_work:
            self._listen(self.core.step())
            self.clock.now += STEP_S

    def _submit(self) -> None:
        chance = self._random
        self.num_submitted += 1
        request = GenerationRequest(
            f"{self.num_submitted}",
            self._prompt(),
            SamplingParameters(seed=self.num_submitted),
            max_tokens=chance.choice([1, 16, 64, 200, 600]),
            num_choices=chance.choice([1, 1, 1, 1, 4]),
            stop=chance.choice([StopRules(), StopRules(), self._stop_string, STOP_TOKEN]),
            priority=chance.choice(list(Priority)),
            timeout_s=chance.choice([None, None, 2.0, 30.0, 300.0]),
            cache_salt=chance.choice([b"one", b"two"]),
        )
        try:
            admitted = self._admission.admit(request)
        except InvalidRequestError:
            return
        self.num_admitted += 1
        self._open.add(request.request_id)
        self.core.add(admitted, self.clock.now)

    def _prompt(self) -> tuple[int, ...]:
        """A new conversation, or a longer turn of an old one."""
        length = int(self._random.paretovariate(1.2) * 60) % 6000 + 1
        fresh = tuple(self._random.choices(range(250), k=length))
        if self._conversations and self._random.random() < 0.6:
            fresh = self._random.choice(self._conversations)[:6000] + fresh[:200]
        if len(self._conversations) < NUM_CONVERSATIONS:
            self._conversations.append(fresh)
        else:
            self._conversations[self._random.randrange(NUM_CONVERSATIONS)] = fresh
        return fresh

    def _listen(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, RequestEnded):
                self.num_ended += 1
                self.num_ended_twice += event.request_id not in self._open
                self._open.discard(event.request_id)


def measure(quick: bool) -> Sequence[Row]:
    hour = 3600.0 / (60 if quick else 1)
    load = Load(seed=1)
    load.run(hour / 4)  # caches fill, arenas grow
    before = resident_megabytes()
    load.run(hour * 3 / 4)
    load.finish()
    grown = resident_megabytes() - before
    statistics = load.core.statistics
    print(
        f"{load.num_submitted} requests, {statistics.num_steps} steps, {statistics.num_tokens} tokens, "
        f"{statistics.num_preemptions} preemptions, "
        f"{100 * statistics.num_cached_tokens / statistics.num_prompt_tokens:.0f} % of prompts found",
        file=sys.stderr,
    )
    pool = load.core.pool
    return [
        limit_row("pages lost", "pages", pool.num_pages - pool.num_free),
        limit_row("requests without an end", "requests", load.num_admitted - load.num_ended),
        limit_row("requests with two ends", "requests", load.num_ended_twice),
        compared(
            "memory grown in the last three quarters",
            "MB",
            max(grown, 0.01),
            peer_name="limit",
            peer=32.0,
            higher_is_better=False,
            goal=1.0,
        ),
    ]


def limit_row(name: str, unit: str, count: int) -> Row:
    """None may be."""
    return Row(name, unit, float(count), goal=None, met=count == 0)


def resident_megabytes() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / MEGABYTE


if __name__ == "__main__":
    sys.exit(run("engine_soak", ["torch"], measure))
