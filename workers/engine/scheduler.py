"""Decides which tokens of which sequences run in the next step. Pure: no tensors, no clock, no text.

Decodes first, one token each (and drafts while the budget lasts), then prefill in chunks, then sequences that
wait. Everything goes by rank. When pages run out, the running sequence of the highest rank gives up its own
and waits again (preemption by recompute), so the one of the lowest rank always goes on, and nothing starves.
A sequence that waits displaces a running one only if that is of a lower class and of a higher rank.

Not here: who may be admitted at all (workers.engine.admission), what happens to sampled tokens.
"""

from bisect import insort
from collections.abc import Sequence as SequenceOf
from typing import NamedTuple

from model.page_pool import PagePool
from workers.engine.sequence import Rank, Sequence
from workers.engine.settings import EngineSettings


class Share(NamedTuple):
    """A sequence's part of a step: its next `num_tokens` tokens, and drafts behind them."""

    sequence: Sequence
    num_tokens: int
    completes: bool  # whether the next token can be sampled after it
    drafts: tuple[int, ...] = ()

    @property
    def cost(self) -> int:
        return self.num_tokens + len(self.drafts)

    @property
    def spare_logits(self) -> int:
        """Rows of logits beside the one that every sequence may have."""
        return len(self.drafts) + (self.num_tokens - 1 if self.sequence.is_scored else 0)


class Scheduler:
    """Every sequence that has not left is either waiting or running; both lists are in order of rank."""

    def __init__(self, pool: PagePool, settings: EngineSettings) -> None:
        self._pool = pool
        self._settings = settings
        self._waiting: list[Sequence] = []
        self._running: list[Sequence] = []
        self._shares: dict[Sequence, Share] = {}
        self._budget = self._spare_logits = 0
        self._stuck: tuple[Sequence, int] | None = None
        self.num_preemptions = 0

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> SequenceOf[Sequence]:
        return self._running

    def add(self, sequence: Sequence) -> None:
        insort(self._waiting, sequence, key=_rank_of)

    def remove(self, sequence: Sequence) -> None:
        """The sequence leaves; its pages are its own affair."""
        (self._running if sequence in self._running else self._waiting).remove(sequence)

    def schedule(self) -> list[Share]:
        """The next step, empty when nothing can run. Whoever has a share has the pages for it."""
        self._shares = {}
        self._budget = self._settings.tokens_per_step
        self._spare_logits = self._settings.spare_logits
        self._plan_running(is_prefill=False)
        self._plan_running(is_prefill=True)
        self._admit()
        return list(self._shares.values())

    def _plan_running(self, *, is_prefill: bool) -> None:
        index = 0
        while index < len(self._running) and self._budget > 0:  # planning may preempt, always the last one
            sequence = self._running[index]
            if (sequence.num_missing > 1) == is_prefill:
                (self._plan_prefill if is_prefill else self._plan_decode)(sequence)
            index += 1

    def _plan_decode(self, sequence: Sequence) -> None:
        drafts = sequence.drafts
        if drafts:
            drafts = drafts[: max(0, min(self._budget - len(self._running), self._spare_logits))]
            missing = sequence.pages.tables.num_missing(sequence.num_tokens + len(drafts))
            if missing > self._pool.num_free:
                drafts = ()  # no page is taken from anybody for a guess
        if self._make_room(sequence, sequence.num_tokens + len(drafts)):
            self._share(Share(sequence, 1, True, drafts))

    def _plan_prefill(self, sequence: Sequence) -> None:
        chunk = self._next_chunk(sequence)
        if self._make_room(sequence, sequence.num_computed + chunk):
            self._share(Share(sequence, chunk, chunk == sequence.num_missing))

    def _admit(self) -> None:
        for sequence in list(self._waiting):
            if self._budget == 0:
                return
            if not sequence.may_begin:
                continue
            while not self._begin(sequence):
                if not self._displace_for(sequence):
                    return  # nobody overtakes, or a long prompt would never find its pages
            self._waiting.remove(sequence)
            insort(self._running, sequence, key=_rank_of)
            chunk = self._next_chunk(sequence)
            self._share(Share(sequence, chunk, chunk == sequence.num_missing))

    def _begin(self, sequence: Sequence) -> bool:
        """A place, and pages for all tokens that are known; running sequences keep one more each to grow."""
        if len(self._running) == self._settings.max_running or self._is_stuck(sequence):
            return False
        sequence.begin()
        tables = sequence.pages.tables
        num_positions = sequence.num_computed + self._next_chunk(sequence)
        missing = tables.num_missing(num_positions, num_reserved=sequence.num_tokens)
        if missing + len(self._running) > self._pool.num_free:
            sequence.abandon()
            self._stuck = (sequence, missing)
            return False
        self._stuck = None
        tables.reserve(sequence.num_tokens)
        tables.make_room(num_positions)
        if sequence.num_cached is None:
            sequence.num_cached = min(sequence.num_computed, sequence.num_prompt)
        return True

    def _is_stuck(self, sequence: Sequence) -> bool:
        """Whether it lacked more pages at its last try than there are. To try a long prompt takes a while."""
        if self._stuck is None or self._stuck[0] is not sequence or not self._running:
            return False
        return self._stuck[1] + len(self._running) > self._pool.num_free

    def _displace_for(self, sequence: Sequence) -> bool:
        """Whether a running sequence of a lower class has made way."""
        last = self._running[-1] if self._running else None
        if last is None or last.priority <= sequence.priority or last.rank <= sequence.rank:
            return False
        self._preempt(self._running.pop())
        return True

    def _next_chunk(self, sequence: Sequence) -> int:
        chunk = min(sequence.num_missing, self._budget)
        return min(chunk, self._spare_logits + 1) if sequence.is_scored else chunk

    def _make_room(self, sequence: Sequence, num_positions: int) -> bool:
        """Whether the sequence has room now; if not, it was itself the last that could give up pages."""
        tables = sequence.pages.tables
        while tables.num_missing(num_positions) > self._pool.num_free:
            last = self._running.pop()
            self._preempt(last)
            if last is sequence:
                return False
        tables.make_room(num_positions)
        return True

    def _preempt(self, sequence: Sequence) -> None:
        share = self._shares.pop(sequence, None)
        if share is not None:
            self._budget += share.cost
            self._spare_logits += share.spare_logits
        sequence.abandon()
        self.add(sequence)
        self.num_preemptions += 1

    def _share(self, share: Share) -> None:
        self._shares[share.sequence] = share
        self._budget -= share.cost
        self._spare_logits -= share.spare_logits


def _rank_of(sequence: Sequence) -> Rank:
    return sequence.rank
