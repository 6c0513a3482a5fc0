"""The engine under any sequence of events: pages are conserved, every request ends once, outputs are its own.

The model is on paper (tests.workers.paper_model): what it answers depends on every page that it reads, and a
page that nobody owns is torn up.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from model.sampling.parameters import SamplingParameters
from model.sampling.sampled_tokens import PositionLogprobs
from protos.errors import DeadlineExpiredError, InvalidRequestError, RequestCancelledError
from tests.workers.engine.paper_engine import PaperEngine
from tests.workers.paper_model import prompt_scores
from workers.engine.events import ChoiceDelta, Event, FinishReason, PromptEcho, RequestEnded
from workers.engine.request import GenerationRequest, Priority, StopRules

LONG = settings(
    max_examples=200, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)


@dataclass(slots=True)
class Heard:
    """What the client of one request has been told."""

    request: GenerationRequest
    deadline: float | None
    num_submitted_steps: int
    outputs: list[list[int]] = field(default_factory=list)
    reasons: list[FinishReason | None] = field(default_factory=list)
    echo: PromptEcho | None = None
    end: RequestEnded | None = None


class EngineMachine(RuleBasedStateMachine):
    """Few pages, small pages, small steps: everything that can be tight is."""

    @initialize(
        num_pages=st.integers(34, 70),
        page_size=st.sampled_from([1, 3, 4]),
        window=st.sampled_from([2, 5, 11]),
        tokens_per_step=st.integers(4, 24),
        max_running=st.integers(1, 4),
        drafts=st.booleans(),
    )
    def begin(
        self,
        num_pages: int,
        page_size: int,
        window: int,
        tokens_per_step: int,
        max_running: int,
        drafts: bool,
    ) -> None:
        self.engine = PaperEngine(
            num_pages=num_pages,
            page_size=page_size,
            window=window,
            tokens_per_step=tokens_per_step,
            max_running=max_running,
            drafts=drafts,
        )
        self.heard: dict[str, Heard] = {}
        self.num_requests = 0

    @rule(
        tokens=st.lists(st.integers(0, 1), min_size=1, max_size=40),
        max_tokens=st.integers(0, 12),
        num_choices=st.sampled_from([1, 1, 1, 3]),
        priority=st.sampled_from(Priority),
        timeout_s=st.sampled_from([None, None, None, 3.0]),
        stop=st.frozensets(st.integers(0, 49), max_size=8),
        min_tokens=st.integers(0, 3),
        temperature=st.sampled_from([0.0, 1.0]),
        echo=st.booleans(),
        scored=st.sampled_from([False, False, True]),
        salt=st.sampled_from([b"", b"", b"other"]),
    )
    def submit(
        self,
        tokens: list[int],
        max_tokens: int,
        num_choices: int,
        priority: Priority,
        timeout_s: float | None,
        stop: frozenset[int],
        min_tokens: int,
        temperature: float,
        echo: bool,
        scored: bool,
        salt: bytes,
    ) -> None:
        self.num_requests += 1
        request = GenerationRequest(
            f"request {self.num_requests}",
            tuple(tokens),
            SamplingParameters(
                temperature=temperature, seed=self.num_requests, prompt_logprobs=0 if scored else None
            ),
            max_tokens=max_tokens,
            min_tokens=min(min_tokens, max_tokens),
            num_choices=num_choices,
            stop=StopRules(token_ids=stop),
            echo=echo,
            priority=priority,
            timeout_s=timeout_s,
            cache_salt=salt,
        )
        if len(tokens) + max_tokens > self.engine.admission.context_limit:
            with pytest.raises(InvalidRequestError, match="shorten the prompt or ask for fewer"):
                self.engine.submit(request)
            return
        deadline = None if timeout_s is None else self.engine.now + timeout_s
        self.heard[request.request_id] = Heard(
            request, deadline, 0, [[] for _ in range(num_choices)], [None] * num_choices
        )
        self.engine.submit(request)

    @rule(count=st.integers(1, 5))
    def step(self, count: int) -> None:
        for _ in range(count):
            if self.engine.core.has_work:
                self.listen(self.engine.step())

    @precondition(lambda self: self.heard)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        heard = self.heard[data.draw(st.sampled_from(list(self.heard)))]
        had_ended = heard.end is not None
        before = self.engine.core.pool.num_free
        self.engine.core.cancel(heard.request.request_id)
        assert self.engine.core.pool.num_free >= before, "cancellation frees pages at once"
        self.listen(self.engine.core.take_events())
        assert had_ended or isinstance(heard.end and heard.end.error, RequestCancelledError)

    @rule()
    def wait_a_second(self) -> None:
        self.engine.now += 1.0

    def listen(self, events: list[Event]) -> None:
        for event in events:
            heard = self.heard[event.request_id]
            assert heard.end is None, "nothing is said after the terminal event"
            match event:
                case PromptEcho():
                    assert heard.echo is None
                    assert not any(heard.outputs), "the prompt comes first"
                    heard.echo = event
                case ChoiceDelta():
                    assert heard.reasons[event.choice] is None, "nothing of a choice after its finish"
                    heard.outputs[event.choice] += event.token_ids
                    heard.reasons[event.choice] = event.finish
                case RequestEnded():
                    heard.end = event
                    self.judge(heard)

    def judge(self, heard: Heard) -> None:
        """A request has ended: what it was told is what it would have been told alone."""
        assert heard.end is not None
        complete = heard.end.error is None
        if isinstance(heard.end.error, DeadlineExpiredError):
            assert heard.deadline is not None
            assert self.engine.now >= heard.deadline
        for choice, output in enumerate(heard.outputs):
            expected = self.expected(heard.request, choice)
            assert output == expected[: len(output)]
            if complete:
                assert output == expected
                stopped = bool(output) and output[-1] in heard.request.stop.token_ids
                assert heard.reasons[choice] == (FinishReason.STOP if stopped else FinishReason.LENGTH)
        self.judge_echo(heard, complete)
        self.judge_usage(heard, complete)

    def expected(self, request: GenerationRequest, choice: int) -> list[int]:
        greedy = request.sampling.is_greedy
        return self.engine.alone(request, 0 if greedy else choice)

    def judge_echo(self, heard: Heard, complete: bool) -> None:
        request, echo = heard.request, heard.echo
        scored = request.sampling.prompt_logprobs is not None
        if complete:
            assert (echo is not None) == (request.echo or scored)
        if echo is not None:
            assert echo.token_ids == (request.prompt if request.echo else ())
            expected: list[PositionLogprobs | None] = [None, *prompt_scores(request.prompt)] if scored else []
            assert list(echo.logprobs) == expected

    def judge_usage(self, heard: Heard, complete: bool) -> None:
        assert heard.end is not None
        usage = heard.end.usage
        assert usage.prompt_tokens == len(heard.request.prompt)
        assert 0 <= usage.cached_tokens < max(1, usage.prompt_tokens)
        if complete:
            assert usage.output_tokens == sum(map(len, heard.outputs))
        assert usage.accepted_tokens <= usage.drafted_tokens
        assert usage.queue_s >= 0
        assert usage.compute_s >= 0

    @invariant()
    def pages_are_conserved(self) -> None:
        if hasattr(self, "engine"):
            self.engine.check_pages()

    def teardown(self) -> None:
        """Whatever is left comes to an end, and then nobody holds a page."""
        if not hasattr(self, "engine"):
            return
        num_left = sum(
            len(heard.request.prompt) + 13 * heard.request.num_choices
            for heard in self.heard.values()
            if heard.end is None
        )
        for _ in range(20 * num_left + 20):
            if not self.engine.core.has_work:
                break
            self.listen(self.engine.step())
        assert all(heard.end is not None for heard in self.heard.values()), "a request starves"
        assert self.engine.core.pool.num_free == self.engine.core.pool.num_pages
        assert sorted(self.engine.model.forgotten) == list(range(len(self.engine.model.forgotten)))


TestEngine = EngineMachine.TestCase
TestEngine.settings = LONG
