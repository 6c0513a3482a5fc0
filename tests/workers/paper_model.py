"""A model on paper: keys and values are hashes in a dictionary, and the next token is a hash of all it sees.

It reads through the page tables as attention does, so a page that is missing, stale, shared wrongly or given
back too early gives other tokens than the same request alone, and a page that nobody owns is torn up.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

from model.page_pool import PagePool
from model.pages import TableRow
from model.sampling.parameters import SamplingParameters
from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from protos.errors import BrokenLogitsError
from workers.engine.request import GenerationRequest
from workers.engine.step_work import Draw, Work, WorkResult

FULL, SLIDING = "full", "sliding"


def content_at(kind: str, position: int, token_id: int, before: int) -> int:
    """What a layer stores at a position: it depends on everything before."""
    return crc32(repr((kind, position, token_id, before)).encode())


def token_after(
    seen: Sequence[int],
    in_window: Sequence[int],
    parameters: SamplingParameters,
    choice: int,
    vocab_size: int,
    banned: frozenset[int],
) -> int:
    """The token that follows; at temperature 0 it depends on what is seen alone.

    Its parity is that of a token not long before: enough of a pattern for drafts to come out right at times.
    """
    chance = None if parameters.is_greedy else (parameters.seed, choice)
    token_id = crc32(repr((tuple(seen), tuple(in_window), chance)).encode()) % vocab_size
    while token_id in banned:
        token_id = (token_id + 1) % vocab_size
    return token_id


def score_of(seen: Sequence[int], token_id: int) -> PositionLogprobs:
    chosen = TokenLogprob(token_id, -(crc32(repr((tuple(seen), token_id)).encode()) % 1000) / 100)
    return PositionLogprobs(chosen, (chosen,))


@dataclass(slots=True)
class PaperModel:
    """A StepModel. `pool` may be set later; without it nothing is torn up."""

    page_size: int
    window: int
    vocab_size: int = 50
    pool: PagePool | None = None
    broken_choices: set[int] = field(default_factory=set)
    forgotten: list[int] = field(default_factory=list)
    steps: list[list[Work]] = field(default_factory=list)
    memory: dict[tuple[int, int], int] = field(default_factory=dict)  # (page, offset) → content
    step_s: float = 0.0  # that a step takes, for tests that count steps while something else happens

    def run(self, works: Sequence[Work]) -> list[WorkResult]:
        time.sleep(self.step_s)
        self._tear_up()
        self.steps.append(list(works))
        for work in works:  # all write before any reads, as in a forward pass
            self._write(work)
        return [self._answer(work) for work in works]

    def forget(self, choice_key: int) -> None:
        self.forgotten.append(choice_key)

    def close(self) -> None:
        pass

    def _tear_up(self) -> None:
        blank = set(self.pool.blank_pages) if self.pool is not None else set()
        self.memory = {slot: content for slot, content in self.memory.items() if slot[0] not in blank}

    def _write(self, work: Work) -> None:
        full, sliding = work.tables.full, work.tables.sliding
        before = self._read(full, work.first_position - 1) if work.first_position else 0
        for position, token_id in enumerate([*work.token_ids, *work.drafts], start=work.first_position):
            content = content_at(FULL, position, token_id, before)
            self.memory[self._slot(full, position)] = content
            self.memory[self._slot(sliding, position)] = content_at(SLIDING, position, token_id, before)
            before = content

    def _answer(self, work: Work) -> WorkResult:
        last = work.first_position + len(work.token_ids) - 1
        if work.draw is not None and work.draw.choice_key in self.broken_choices:
            return WorkResult(error=BrokenLogitsError((0,)))
        drawn = []
        if work.draw is not None:
            drawn = [self._draw(work, work.draw, last + index) for index in range(1 + len(work.drafts))]
        scores = []
        if work.scores is not None:
            for position, target in enumerate(work.scores.targets, start=work.first_position):
                scores.append(score_of(self._seen(work.tables.full, 0, position), target))
        return WorkResult(tuple(drawn), (None,) * len(drawn), tuple(scores))

    def _draw(self, work: Work, draw: Draw, position: int) -> int:
        seen = self._seen(work.tables.full, 0, position)
        in_window = self._seen(work.tables.sliding, max(0, position - self.window + 1), position)
        if draw.rules.forced is not None:
            return draw.rules.forced
        return token_after(seen, in_window, draw.parameters, draw.choice, self.vocab_size, draw.rules.banned)

    def _seen(self, row: TableRow, first: int, last: int) -> list[int]:
        return [self._read(row, position) for position in range(first, last + 1)]

    def _read(self, row: TableRow, position: int) -> int:
        slot = self._slot(row, position)
        assert slot in self.memory, f"position {position} lies on a page that was given back"
        return self.memory[slot]

    def _slot(self, row: TableRow, position: int) -> tuple[int, int]:
        page, offset = divmod(position, self.page_size)
        assert page >= row.first_page, f"position {position} lies behind the window"
        return row.pages[page - row.first_page], offset


def alone(request: GenerationRequest, model: PaperModel, choice: int = 0) -> list[int]:
    """The output of a request that has the model to itself, worked out without any pages."""
    tokens = list(request.prompt)
    output: list[int] = []
    full: list[int] = []
    sliding: list[int] = []
    assert request.max_tokens is not None
    while len(output) < request.max_tokens and not (output and output[-1] in request.stop.token_ids):
        for position in range(len(full), len(tokens)):
            before = full[-1] if full else 0
            full.append(content_at(FULL, position, tokens[position], before))
            sliding.append(content_at(SLIDING, position, tokens[position], before))
        banned = request.stop.token_ids if len(output) < request.min_tokens else frozenset()
        window = sliding[-model.window :]
        token_id = token_after(full, window, request.sampling, choice, model.vocab_size, banned)
        output.append(token_id)
        tokens.append(token_id)
    return output


def prompt_scores(prompt: Sequence[int]) -> list[PositionLogprobs]:
    """What `Work.scores` gives for a whole prompt."""
    full: list[int] = []
    scores = []
    for position, target in enumerate(prompt[1:]):
        full.append(content_at(FULL, position, prompt[position], full[-1] if full else 0))
        scores.append(score_of(full, target))
    return scores
