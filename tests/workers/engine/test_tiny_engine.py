"""The whole engine on a real, tiny model, held to `model.generate`, which serves one sequence at a time."""

import itertools

import pytest
import torch

from model.local_model import LocalModel
from model.sampling.parameters import SamplingParameters
from model.tokenizer import Tokenizer
from protos.errors import (
    BrokenLogitsError,
    DeadlineExpiredError,
    InvalidRequestError,
    RequestCancelledError,
)
from tests.workers.engine.tiny_engine import SPOKEN, TinyEngine, alone, tokens
from workers.engine.events import FinishReason, RequestEnded, Usage
from workers.engine.request import GenerationRequest, Priority
from workers.engine.settings import DraftSettings

GREEDY = SamplingParameters(temperature=0.0)
SAMPLED = [
    GREEDY,
    SamplingParameters(seed=1),
    SamplingParameters(seed=2, temperature=0.7, top_p=0.8),
    SamplingParameters(seed=3, top_k=20, repetition_penalty=1.3, frequency_penalty=0.5),
    SamplingParameters(seed=4, presence_penalty=0.7, logit_bias={7: 3.0, 9: -100.0}),
]


def some_requests(count: int) -> list[GenerationRequest]:
    lengths = itertools.cycle([3, 140, 60, 17, 90])
    return [
        GenerationRequest(
            f"{index}", tokens(length, index), SAMPLED[index % len(SAMPLED)], max_tokens=5 + index % 7
        )
        for index, length in zip(range(count), lengths, strict=False)
    ]


@pytest.mark.parametrize("drafts", [None, DraftSettings(num_tokens=3, shortest_match=1)])
def test_many_at_once_get_what_each_gets_alone(tiny_model: LocalModel, drafts: DraftSettings | None) -> None:
    """With a cache so small that the newest must give way, again and again."""
    engine = TinyEngine(tiny_model, num_pages=44, max_running=5, tokens_per_step=50, drafts=drafts)
    requests = some_requests(15)
    for request, told in zip(requests, engine.run(*requests), strict=True):
        assert told.outputs == [alone(tiny_model, request)]
        assert told.end is not None
        assert told.end.error is None
    assert engine.core.statistics.num_preemptions > 0
    assert engine.core.pool.num_free == 44


@pytest.mark.parametrize("parameters", SAMPLED, ids=lambda parameters: f"{parameters.seed}")
def test_drafts_change_no_token_and_some_come_true(
    tiny_model: LocalModel, parameters: SamplingParameters
) -> None:
    """A strong bias makes the random model repeat itself, as answers that quote their prompt do."""
    biased = SamplingParameters(
        **{
            name: getattr(parameters, name)
            for name in ("temperature", "top_k", "top_p", "repetition_penalty", "seed", "presence_penalty")
        },
        logit_bias={7: 30.0, 8: 30.0},
        logprobs=2,
    )
    request = GenerationRequest("one", tokens(30, 1), biased, max_tokens=40)
    (plain,) = TinyEngine(tiny_model).run(request)
    (drafted,) = TinyEngine(tiny_model, drafts=DraftSettings(shortest_match=1)).run(request)
    assert drafted.outputs == plain.outputs
    assert drafted.logprobs == plain.logprobs
    assert drafted.end is not None
    usage = drafted.end.usage
    assert 0 < usage.accepted_tokens <= usage.drafted_tokens


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 130])
def test_prompt_logprobs_and_echo(tiny_model: LocalModel, tokenizer: Tokenizer, length: int) -> None:
    prompt = tokens(length, 5)
    engine = TinyEngine(tiny_model, tokenizer)
    parameters = SamplingParameters(temperature=0.0, prompt_logprobs=2)
    request = GenerationRequest("one", prompt, parameters, max_tokens=0, echo=True)
    engine.run(GenerationRequest("warm", prompt, GREEDY, max_tokens=1))  # what is cached must not be left out
    (told,) = engine.run(request)
    assert told.echo is not None
    assert told.echo.token_ids == prompt
    assert told.echo.text == tokenizer.decode(prompt)
    assert told.reasons == [FinishReason.LENGTH]
    assert told.outputs == [[]]
    first, *rest = told.echo.logprobs
    assert first is None
    assert [entry.chosen.token_id for entry in rest if entry is not None] == list(prompt[1:])
    for cut in (length // 3, length // 2, length - 1):
        if cut > 0:
            forced = SamplingParameters(temperature=0.0, logprobs=2, logit_bias={prompt[cut]: 100.0})
            (continued,) = engine.run(GenerationRequest(f"cut at {cut}", prompt[:cut], forced, max_tokens=1))
            assert continued.logprobs[0] == [told.echo.logprobs[cut]]


def test_what_can_never_fit_is_refused(tiny_model: LocalModel) -> None:
    engine = TinyEngine(tiny_model, num_pages=50)
    limit = engine.admission.context_limit
    assert limit < SPOKEN.max_positions
    engine.run(GenerationRequest("fits", tokens(limit - 2, 1), GREEDY, max_tokens=2))
    for prompt, max_tokens in ((limit - 1, 2), (limit, None), (limit + 5, None)):
        with pytest.raises(InvalidRequestError, match=rf"can have {limit} in all .the memory"):
            engine.submit(GenerationRequest("one", tokens(prompt, 1), GREEDY, max_tokens=max_tokens))
    whole = TinyEngine(tiny_model, num_pages=400)
    with pytest.raises(InvalidRequestError, match=r"can have 2048 in all .the positions of the model"):
        whole.submit(GenerationRequest("one", tokens(2000, 1), GREEDY, max_tokens=49))
    with pytest.raises(InvalidRequestError, match="a prompt token is 293"):
        whole.submit(GenerationRequest("one", (5, 293), GREEDY))


def test_cancel_and_deadline_free_the_pages_at_once(tiny_model: LocalModel) -> None:
    now = 0.0
    engine = TinyEngine(tiny_model, clock=lambda: now)
    engine.submit(GenerationRequest("cancelled", tokens(100, 1), GREEDY))
    engine.core.add(
        engine.admission.admit(GenerationRequest("late", tokens(100, 2), GREEDY, timeout_s=5.0)), now
    )
    engine.told["late"] = engine.told["cancelled"]
    for _ in range(6):
        engine.core.step()
    assert engine.core.pool.num_free < 400
    engine.core.cancel("cancelled")
    now = 5.0
    ended = [event for event in engine.core.step() if not hasattr(event, "choice")]
    assert [type(event.error) for event in ended] == [RequestCancelledError, DeadlineExpiredError]  # type: ignore[union-attr]
    assert engine.core.pool.num_free == 400
    assert not engine.core.has_work


def test_a_broken_row_ends_its_request_alone(tiny_model: LocalModel) -> None:
    engine = TinyEngine(tiny_model)
    good, bad = (GenerationRequest(name, tokens(20, 1), GREEDY, max_tokens=9) for name in ("good", "bad"))
    engine.submit(good)
    engine.submit(bad)
    engine.step()
    victim = next(s for s in engine.core.sequences if s.key == 1)
    cache = engine.core._model._cache  # type: ignore[attr-defined]
    own = set(victim.pages.tables.full.pages) - {
        page for s in engine.core.sequences if s is not victim for page in s.pages.tables.full.pages
    }
    cache.values[:, sorted(own)] = torch.nan
    engine.run()
    assert isinstance(engine.told["bad"].end.error, BrokenLogitsError)  # type: ignore[union-attr]
    assert engine.told["good"].outputs == [alone(tiny_model, good)]
    (again,) = engine.run(GenerationRequest("again", tokens(20, 1), GREEDY, max_tokens=9))
    assert again.outputs == [alone(tiny_model, good)]  # nothing of what was broken is found again


def test_an_urgent_request_does_not_wait_for_batches_to_end(tiny_model: LocalModel) -> None:
    engine = TinyEngine(tiny_model, max_running=2)
    batches = [
        GenerationRequest(name, tokens(10, 1), GREEDY, max_tokens=300, priority=Priority.BATCH)
        for name in ("a", "b")
    ]
    for batch in batches:
        engine.submit(batch)
    for _ in range(5):
        engine.step()
    engine.submit(
        GenerationRequest("urgent", tokens(9, 2), GREEDY, max_tokens=2, priority=Priority.INTERACTIVE)
    )
    engine.step()
    engine.step()
    assert engine.told["urgent"].end is not None
    engine.run()
    assert all(engine.told[batch.request_id].outputs == [alone(tiny_model, batch)] for batch in batches)


def test_usage_says_what_a_request_has_cost(tiny_model: LocalModel, tokenizer: Tokenizer) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1.0
        return now

    engine = TinyEngine(tiny_model, tokenizer, max_running=1, clock=clock)
    prompt = tuple(tokenizer.encode_with_specials("<|start|>assistant<|channel|>analysis<|message|>"))
    letters = SamplingParameters(seed=1, logit_bias=dict.fromkeys(tokenizer.encode("abcd"), 50.0))
    first, second = (
        GenerationRequest(name, prompt, letters, max_tokens=4, num_choices=count)
        for name, count in (("first", 2), ("second", 1))
    )
    engine.core.add(engine.admission.admit(first), 0.0)
    engine.core.add(engine.admission.admit(second), 0.0)
    ends: dict[str, Usage] = {}
    while engine.core.has_work:
        ends |= {each.request_id: each.usage for each in engine.core.step() if isinstance(each, RequestEnded)}
    assert ends["first"].queue_s == 1.0  # the clock moves by one at every look
    assert ends["first"].compute_s == 8.0  # eight steps, one look each
    assert ends["second"].queue_s > 16.0
    assert ends["second"].compute_s == 4.0
    assert ends["first"].output_tokens == 8
    assert ends["first"].reasoning_tokens == 8
    assert (ends["first"].cached_tokens, ends["second"].cached_tokens) == (0, 16)
