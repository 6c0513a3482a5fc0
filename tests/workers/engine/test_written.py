"""Requests that go on at another worker: what was told before the cut and what comes after are one answer."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.local_model import LocalModel
from model.sampling.parameters import SamplingParameters
from model.sampling.sampled_tokens import PositionLogprobs
from model.tokenizer import Tokenizer
from protos.errors import InvalidGrammarError, InvalidRequestError
from tests.workers.engine.paper_engine import PaperEngine
from tests.workers.engine.tiny_engine import TinyEngine, tokens
from workers.engine.events import ChoiceDelta, Event, FinishReason, PromptEcho, RequestEnded
from workers.engine.request import GenerationRequest, StopRules
from workers.engine.settings import DraftSettings
from workers.engine.token_log import TokenLog
from workers.engine.written import Written, WrittenChoice
from workers.grammar.spec import GrammarSpec

GREEDY = SamplingParameters(temperature=0.0)
ANALYSIS = "<|start|>assistant<|channel|>analysis<|message|>"


@dataclass(slots=True)
class Answer:
    """What a client has put together of what it was told. Equal answers are one answer."""

    token_ids: dict[int, list[int]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    logprobs: dict[int, list[PositionLogprobs]] = field(default_factory=dict)
    ends: dict[int, tuple[FinishReason, str | int | None, int]] = field(default_factory=dict)
    echo: tuple[tuple[int, ...], str, tuple[PositionLogprobs | None, ...]] | None = None
    cost: tuple[int, int, int] | None = None

    @classmethod
    def of(cls, events: list[Event]) -> "Answer":
        answer = cls()
        for event in events:
            assert answer.cost is None, "nothing follows the terminal event"
            match event:
                case PromptEcho():
                    assert answer.echo is None, "the prompt is told once"
                    answer.echo = (event.token_ids, event.text, event.logprobs)
                case ChoiceDelta():
                    answer.take(event)
                case RequestEnded():
                    assert event.error is None
                    usage = event.usage
                    answer.cost = (usage.prompt_tokens, usage.output_tokens, usage.reasoning_tokens)
        return answer

    def take(self, delta: ChoiceDelta) -> None:
        choice = delta.choice
        assert choice not in self.ends, "nothing of a choice follows its finish"
        self.token_ids.setdefault(choice, []).extend(delta.token_ids)
        self.texts[choice] = self.texts.get(choice, "") + delta.text
        self.logprobs.setdefault(choice, []).extend(delta.logprobs)
        if delta.finish is not None:
            self.ends[choice] = (delta.finish, delta.stopped_by, delta.num_hidden)


Engine = TinyEngine | PaperEngine


def heard(engine: Engine, *requests: GenerationRequest) -> list[list[Event]]:
    """Run these together; -> what each is told."""
    events: dict[str, list[Event]] = {request.request_id: [] for request in requests}
    for request in requests:
        engine.core.add(engine.admission.admit(request), 0.0)
    for _ in range(5000):
        for event in engine.core.step():
            events[event.request_id].append(event)
        if not engine.core.has_work:
            break
    return list(events.values())


def cut_everywhere(request: GenerationRequest, events: list[Event]) -> list[tuple[int, GenerationRequest]]:
    """(how many events were told before, what is left of the request) for each place in between."""
    log = TokenLog(request)
    rests = [(0, log.rest(None))]
    for count, event in enumerate(events[:-1], start=1):
        log.note(event)
        rests.append((count, log.rest(None)))
    return [(count, replace(rest, request_id=f"cut after {count}")) for count, rest in rests]


def assert_it_goes_on(first: Engine, second: Engine, request: GenerationRequest) -> list[Event]:
    (whole,) = heard(first, request)
    cuts = cut_everywhere(request, whole)
    again = heard(second, *(rest for _, rest in cuts))
    for (count, _), continued in zip(cuts, again, strict=True):
        assert Answer.of(whole[:count] + continued) == Answer.of(whole)
    assert first.core.pool.num_free == first.core.pool.num_pages
    assert second.core.pool.num_free == second.core.pool.num_pages
    return whole


@given(
    prompt=st.lists(st.integers(0, 1), min_size=1, max_size=30),
    max_tokens=st.integers(0, 12),
    num_choices=st.sampled_from([1, 2, 3]),
    stop=st.frozensets(st.integers(0, 49), max_size=8),
    min_tokens=st.integers(0, 3),
    temperature=st.sampled_from([0.0, 1.0]),
    echo=st.booleans(),
    scored=st.booleans(),
    drafts=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_on_paper_wherever_it_is_cut(
    prompt: list[int],
    max_tokens: int,
    num_choices: int,
    stop: frozenset[int],
    min_tokens: int,
    temperature: float,
    echo: bool,
    scored: bool,
    drafts: bool,
) -> None:
    request = GenerationRequest(
        "whole",
        tuple(prompt),
        SamplingParameters(temperature=temperature, seed=7, prompt_logprobs=0 if scored else None),
        max_tokens=max_tokens,
        min_tokens=min(min_tokens, max_tokens),
        num_choices=num_choices,
        stop=StopRules(token_ids=stop),
        echo=echo,
    )
    assert_it_goes_on(PaperEngine(drafts=drafts), PaperEngine(page_size=3, drafts=not drafts), request)


def letters(tokenizer: Tokenizer, alphabet: str, **wishes: float | int | None) -> SamplingParameters:
    bias = dict.fromkeys(tokenizer.encode(alphabet), 50.0)
    return SamplingParameters(seed=3, logit_bias=bias, **wishes)  # type: ignore[arg-type]


def scenarios(tokenizer: Tokenizer) -> dict[str, GenerationRequest]:
    prompt = tokens(21, 2)
    thinking = tuple(tokenizer.encode_with_specials(ANALYSIS))
    abcd = letters(tokenizer, "abcd", logprobs=2)
    return {
        "greedy": GenerationRequest("whole", prompt, GREEDY, max_tokens=17),
        "any bytes, with log-probabilities": GenerationRequest(
            "whole", prompt, SamplingParameters(seed=5, logprobs=3), max_tokens=19
        ),
        "penalties": GenerationRequest(
            "whole",
            prompt,
            letters(
                tokenizer, "abcdefgh", repetition_penalty=1.3, frequency_penalty=0.7, presence_penalty=0.4
            ),
            max_tokens=18,
        ),
        "stop strings of which none comes": GenerationRequest(
            "whole", prompt, abcd, max_tokens=23, stop=StopRules(("dddda", "abababac", "ca!"))
        ),
        "choices": GenerationRequest("whole", prompt, abcd, max_tokens=7, num_choices=3, echo=True),
        "a grammar": GenerationRequest(
            "whole",
            prompt,
            SamplingParameters(seed=1, logprobs=0),
            max_tokens=40,
            grammar=GrammarSpec.regex(r"[0-9]{4}-[a-z]{3,9}!"),
        ),
        "a reasoning budget": GenerationRequest(
            "whole", thinking, abcd, max_tokens=24, reasoning_budget=6, stop=StopRules(("bbbbbb",))
        ),
        "a grammar and a budget": GenerationRequest(
            "whole",
            thinking,
            SamplingParameters(seed=1),
            max_tokens=60,
            reasoning_budget=3,
            grammar=GrammarSpec.lark(
                'start: /[a-z]{5}/+ <|end|> <|start|> "assistant" <|channel|> "final" <|message|> /[0-9]{4}/'
            ),
        ),
        "a scored prompt": GenerationRequest(
            "whole", prompt, SamplingParameters(seed=2, prompt_logprobs=1), max_tokens=4, echo=True
        ),
    }


SCENARIOS = (
    "greedy",
    "any bytes, with log-probabilities",
    "penalties",
    "stop strings of which none comes",
    "choices",
    "a grammar",
    "a reasoning budget",
    "a grammar and a budget",
    "a scored prompt",
)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("drafts", [None, DraftSettings(num_tokens=3, shortest_match=1)], ids=["", "drafts"])
def test_on_a_real_model_wherever_it_is_cut(
    tiny_model: LocalModel, tokenizer: Tokenizer, name: str, drafts: DraftSettings | None
) -> None:
    """To another engine, with other pages and other neighbours: the other cuts of the same request."""
    request = scenarios(tokenizer)[name]
    first = TinyEngine(tiny_model, tokenizer, drafts=drafts)
    second = TinyEngine(tiny_model, tokenizer, num_pages=300, page_size=5, checkpoint_interval=20)
    assert_it_goes_on(first, second, request)
    first.close()
    second.close()


def test_every_scenario_is_tried(tokenizer: Tokenizer) -> None:
    assert tuple(scenarios(tokenizer)) == SCENARIOS


@pytest.mark.parametrize("num_choices", [1, 2])
def test_a_stop_string_in_the_making(tiny_model: LocalModel, tokenizer: Tokenizer, num_choices: int) -> None:
    """Its tokens are held back when the worker is lost, and count in the end although nobody saw them."""
    abcd = letters(tokenizer, "abcd", logprobs=1)
    free = GenerationRequest("free", tokens(20, 2), abcd, max_tokens=40)
    (events,) = heard(TinyEngine(tiny_model, tokenizer), free)
    text = Answer.of(events).texts[0]
    stop = text[15:19]
    request = replace(free, request_id="whole", stop=StopRules((stop,)), num_choices=num_choices)
    engine = TinyEngine(tiny_model, tokenizer)
    whole = assert_it_goes_on(
        engine, TinyEngine(tiny_model, tokenizer, page_size=3, checkpoint_interval=30), request
    )
    answer = Answer.of(whole)
    assert answer.ends[0] == (FinishReason.STOP, stop, 4)
    assert answer.cost is not None
    num_shown = sum(map(len, answer.token_ids.values()))
    assert answer.cost[1] == num_shown + sum(num_hidden for _, _, num_hidden in answer.ends.values())


def test_what_another_worker_has_written_is_not_counted_as_sampled_here() -> None:
    engine = PaperEngine()
    written = Written((WrittenChoice((3, 4)), WrittenChoice((5,), finish=FinishReason.STOP)))
    request = GenerationRequest("one", (1, 2), GREEDY, max_tokens=5, num_choices=2, written=written)
    (events,) = heard(engine, request)
    assert engine.core.statistics.num_output_tokens == 3
    assert Answer.of(events).cost == (2, 6, 0)


def test_a_request_that_is_written_to_its_end_ends_at_once() -> None:
    engine = PaperEngine()
    written = Written((WrittenChoice((3, 4), finish=FinishReason.LENGTH),))
    request = GenerationRequest("one", (1, 2), GREEDY, max_tokens=2, written=written, timeout_s=1.0)
    (events,) = heard(engine, request)
    assert [type(event) for event in events] == [RequestEnded]
    assert not engine.model.steps


def written(*choices: WrittenChoice) -> Written:
    return Written(choices)


def test_a_record_that_cannot_be_right_is_refused(tiny_model: LocalModel, tokenizer: Tokenizer) -> None:
    engine = TinyEngine(tiny_model, tokenizer)
    one = GenerationRequest("one", (5, 6), GREEDY, max_tokens=4)
    with pytest.raises(InvalidRequestError, match="2 choices are written already and num_choices is 1"):
        replace(one, written=written(WrittenChoice(), WrittenChoice()))
    with pytest.raises(InvalidRequestError, match="has no seed"):
        replace(one, sampling=SamplingParameters(), written=written(WrittenChoice((7,), 1)))
    with pytest.raises(InvalidRequestError, match="num_characters of a written choice is -1"):
        WrittenChoice((7,), -1)
    with pytest.raises(InvalidRequestError, match="has 2 hidden tokens and no finish"):
        WrittenChoice((7,), 1, num_hidden=2)
    for bad, message in (
        (WrittenChoice((293,), 1), "a written token is 293; the vocabulary has the tokens 0 to 292"),
        (WrittenChoice((65,) * 5, 5), "choice 0 has 5 tokens written already, and a choice can have 4"),
        (WrittenChoice((65,), 2), "2 characters written already, 1 more than its 1 tokens may show"),
        (WrittenChoice((*tokenizer.stop_ids, 65)[-2:], 1), "ends by its own rules with token 0"),
    ):
        with pytest.raises(InvalidRequestError, match=message):
            engine.submit(replace(one, written=written(bad)))
    grammar = GrammarSpec.regex("[0-9]{3}")
    wrong = WrittenChoice(tuple(tokenizer.encode("0A")), 2)
    with pytest.raises(
        InvalidGrammarError, match=f"token 1 of those already written is {wrong.token_ids[1]}"
    ):
        engine.submit(replace(one, grammar=grammar, written=written(wrong)))
    with pytest.raises(
        InvalidRequestError, match="4 more than its 1 tokens may show; at most 3 can be ahead"
    ):
        engine.submit(replace(one, stop=StopRules(("ab",)), written=written(WrittenChoice((99,), 5))))
    assert not engine.core.has_work
    engine.close()
