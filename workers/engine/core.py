"""The engine without its thread: requests in, one step at a time, events out.

One life of a request: `add` → its sequences wait → `step` plans, runs, judges → deltas → one `RequestEnded`.
Not here: threads (workers.engine.engine), whether a request may come at all (workers.engine.admission), what
computes (`StepModel`). Called from one thread only.
"""

import heapq
from collections.abc import Callable, Collection
from itertools import count

from model.page_pool import PagePool
from protos.errors import (
    BrokenLogitsError,
    DeadlineExpiredError,
    ExpertMeshError,
    InvalidGrammarError,
    RequestCancelledError,
)
from workers.cache.cached_pages import CachedPages, CacheLayout
from workers.cache.prefix_index import PrefixIndex
from workers.engine.admission import Admission, AdmittedRequest
from workers.engine.choice import Choice
from workers.engine.drafting import Drafter
from workers.engine.events import Event
from workers.engine.live_request import LiveRequest
from workers.engine.scheduler import Scheduler, Share
from workers.engine.sequence import Sequence
from workers.engine.settings import EngineSettings
from workers.engine.statistics import EngineStatistics
from workers.engine.step_work import Draw, PromptScores, StepModel, Work, WorkResult

Clock = Callable[[], float]
"""Seconds since some moment, never going back."""

_MIN_DEADLINES = 64


class EngineCore:
    """Owns the pages, the scheduler and every request that has not ended."""

    def __init__(
        self,
        model: StepModel,
        admission: Admission,
        layout: CacheLayout,
        num_pages: int,
        settings: EngineSettings,
        *,
        clock: Clock,
        drafter: Drafter | None = None,
    ) -> None:
        self._model = model
        self._admission = admission
        self._layout = layout
        self._settings = settings
        self._clock = clock
        self._drafter = drafter
        self.pool = PagePool(num_pages)
        self._index = PrefixIndex(self.pool)
        self._scheduler = Scheduler(self.pool, settings)
        self._live: dict[str, LiveRequest] = {}
        self._owners: dict[Sequence, tuple[LiveRequest, Choice]] = {}
        self._deadlines: list[tuple[float, str]] = []
        self._serials = count()
        self._events: list[Event] = []
        self.statistics = EngineStatistics()

    @property
    def has_work(self) -> bool:
        return bool(self._live)

    @property
    def num_waiting(self) -> int:
        return self._scheduler.num_waiting

    @property
    def num_running(self) -> int:
        return len(self._scheduler.running)

    @property
    def sequences(self) -> Collection[Sequence]:
        """All that have not left."""
        return self._owners.keys()

    def add(self, admitted: AdmittedRequest, submitted_at: float) -> None:
        live = LiveRequest(admitted, submitted_at)
        request = admitted.request
        assert request.request_id not in self._live, "two live requests have one id"
        self._live[request.request_id] = live
        for choice in admitted.choices:
            if not choice.has_been_told:
                self._begin(live, choice)
        if not live.sequences:
            self._close(live)
        elif request.timeout_s is not None:
            live.deadline_at = submitted_at + request.timeout_s
            heapq.heappush(self._deadlines, (live.deadline_at, request.request_id))
            if len(self._deadlines) > 2 * len(self._live) + _MIN_DEADLINES:
                self._forget_deadlines()

    def cancel(self, request_id: str) -> None:
        """End a request, now. One that has ended already is none of our business."""
        live = self._live.get(request_id)
        if live is not None:
            self._end(live, RequestCancelledError(f"request {request_id!r} was cancelled"))

    def end_all(self, error: ExpertMeshError) -> list[Event]:
        """No request can go on; the events that say so."""
        for live in list(self._live.values()):
            self._end(live, error)
        return self.take_events()

    def step(self) -> list[Event]:
        """Run one forward pass for whoever's turn it is."""
        began = self._clock()
        self._expire(began)
        shares = self._plan()
        if shares:
            results = self._model.run([self._work(share) for share in shares])
            ended = self._clock()
            self._charge(shares, began, ended)
            for share, result in zip(shares, results, strict=True):
                self._judge(share, result)
        return self.take_events()

    def close(self) -> None:
        """No step will follow."""
        self._model.close()
        self._admission.close()

    def take_events(self) -> list[Event]:
        """What has been said since the last call; `step` takes them too."""
        events, self._events = self._events, []
        return events

    def _begin(self, live: LiveRequest, choice: Choice) -> None:
        request = live.admitted.request
        digests = live.admitted.digests.copy()
        pages = CachedPages(self.pool, self._index, self._layout, digests, len(request.prompt))
        turn = self.statistics.num_steps + request.priority * self._settings.head_start
        leader = live.sequences[0] if live.sequences else None
        sequence = Sequence(
            request.prompt,
            pages,
            (turn, next(self._serials)),
            written=choice.written.token_ids,
            priority=request.priority,
            leader=leader,
            is_scored=live.wants_scores and leader is None,
        )
        live.sequences.append(sequence)
        self._owners[sequence] = (live, choice)
        self._scheduler.add(sequence)

    def _expire(self, now: float) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, request_id = heapq.heappop(self._deadlines)
            live = self._live.get(request_id)
            if live is not None and live.deadline_at == deadline:  # not another request of the same name
                limit = live.admitted.request.timeout_s
                self._end(
                    live, DeadlineExpiredError(f"request {request_id!r} did not end within {limit:g} s")
                )

    def _forget_deadlines(self) -> None:
        """Of requests that have ended long before theirs."""
        live = [(each.deadline_at, name) for name, each in self._live.items() if each.deadline_at is not None]
        heapq.heapify(live)
        self._deadlines = live

    def _plan(self) -> list[Share]:
        if self._drafter is not None:
            for sequence in self._scheduler.running:
                sequence.drafts = self._owners[sequence][1].guess(self._drafter, sequence.tokens)
        shares = self._scheduler.schedule()
        assert shares or not self._live, "a request that was admitted can always go on"
        return shares

    def _work(self, share: Share) -> Work:
        sequence = share.sequence
        live, choice = self._owners[sequence]
        first, past = sequence.num_computed, sequence.num_computed + share.num_tokens
        draw = None
        if share.completes and choice.finish is None:
            request = live.admitted.request
            draw = Draw(
                choice_key=sequence.key,
                choice=choice.index,
                parameters=request.sampling,
                history=sequence.tokens,
                num_prompt=sequence.num_prompt,
                rules=choice.rules,
            )
        scores = None
        if live.wants_scores and choice.index == 0:
            if first == 0:
                live.prompt_logprobs.clear()  # preempted in the middle, it begins again
            top_n = live.admitted.request.sampling.prompt_logprobs or 0
            scores = PromptScores(sequence.tokens[first + 1 : min(past + 1, sequence.num_prompt)], top_n)
        return Work(sequence.tokens[first:past], share.drafts, first, sequence.pages.tables, draw, scores)

    def _charge(self, shares: list[Share], began: float, ended: float) -> None:
        for live in {self._owners[share.sequence][0] for share in shares}:
            if live.first_step_at is None:
                live.first_step_at = began
            live.compute_s += ended - began
        self.statistics.num_steps += 1
        self.statistics.num_tokens += sum(share.cost for share in shares)
        self.statistics.num_preemptions = self._scheduler.num_preemptions

    def _judge(self, share: Share, result: WorkResult) -> None:
        """What the step means for this sequence."""
        sequence = share.sequence
        if sequence.has_left:
            return  # a sibling's error has ended the request
        live, choice = self._owners[sequence]
        if result.error is not None:
            self._end(live, result.error, broken=isinstance(result.error, BrokenLogitsError))
            return
        live.prompt_logprobs += result.prompt_logprobs
        if not share.completes:
            sequence.advance(share.num_tokens)
            return
        if not live.is_prompt_told:
            self._tell_prompt(live, sequence)
        try:
            num_accepted = self._accept(choice, share, result)
        except InvalidGrammarError as error:  # one that outgrew its limits while it was followed
            self._end(live, error)
            return
        live.num_drafted += len(share.drafts)
        live.num_accepted += num_accepted
        sequence.advance(share.num_tokens + num_accepted)
        delta = choice.take_delta()
        if delta is not None:
            self._events.append(delta)
        if choice.finish is not None:
            self._leave(sequence)
            if live.is_finished:
                self._close(live)

    def _accept(self, choice: Choice, share: Share, result: WorkResult) -> int:
        """Take the tokens up to the first draft that came out otherwise; -> how many drafts did not."""
        num_drafts = len(share.drafts)
        for index, token_id in enumerate(result.token_ids):
            share.sequence.tokens.append(token_id)
            choice.accept(token_id, result.logprobs[index])
            is_draft = index < num_drafts and share.drafts[index] == token_id
            if choice.finish is not None or not is_draft:
                return index + is_draft
        return 0

    def _tell_prompt(self, live: LiveRequest, sequence: Sequence) -> None:
        request = live.admitted.request
        tokenizer = self._admission.tokenizer
        text = tokenizer.decode(request.prompt) if request.echo and tokenizer is not None else ""
        echo = live.echo(text)
        if echo is not None:
            self._events.append(echo)
        sequence.is_scored = False

    def _end(self, live: LiveRequest, error: ExpertMeshError, *, broken: bool = False) -> None:
        for sequence in live.sequences:
            if not sequence.has_left:
                self._leave(sequence, broken=broken)
        self._close(live, error)

    def _leave(self, sequence: Sequence, *, broken: bool = False) -> None:
        self._scheduler.remove(sequence)
        sequence.leave(broken=broken)
        del self._owners[sequence]
        self._model.forget(sequence.key)

    def _close(self, live: LiveRequest, error: ExpertMeshError | None = None) -> None:
        del self._live[live.request_id]
        self.statistics.count(live)
        self._events.append(live.ended(self._clock(), error))
