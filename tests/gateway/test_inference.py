"""What a gateway can do, over a scripted engine and over a real one on paper."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import date
from typing import TypeVar

import pytest

from gateway.calls.call import Call
from gateway.calls.call_book import CallBook, CallRequest
from gateway.calls.call_settings import CallSettings
from gateway.chat.chat_request import AnswerFormat, ChatRequest, ToolChoice, ToolUse
from gateway.chat.chat_result import ChatResult
from gateway.chat.turns import ToolTurn, UserTurn
from gateway.engine_link.link import EngineLink
from gateway.engine_link.local_link import LocalEngineLink
from gateway.harmony.settings import FunctionTool
from gateway.inference import Inference
from gateway.options import GenerationOptions
from gateway.served_model import ServedModel
from gateway.text.text_request import TextRequest
from model.sampling.parameters import SamplingParameters
from protos.errors import (
    CallNotKeptError,
    CapacityError,
    ExpertMeshError,
    InvalidGrammarError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    RequestCancelledError,
    TokenizerError,
)
from tests.gateway.engine_link.hearing import nothing_is_left, until
from tests.gateway.scripted_link import SERVING, ScriptedLink
from tests.gateway.vocabulary import byte_tokenizer
from tests.workers.engine.paper_engine import PaperEngine
from workers.engine.door import Deliver
from workers.engine.engine import Engine
from workers.engine.events import ChoiceDelta, Event, RequestEnded
from workers.engine.load import ServingState
from workers.engine.request import GenerationRequest, StopRules
from workers.grammar.spec import GrammarSpec

MODEL = ServedModel("tiny", byte_tokenizer(), 1000, 0, aliases=("gpt-oss-20b",))
HELLO = ChatRequest((UserTurn("Hello?"),))


def scripted(**fields: object) -> tuple[Inference, ScriptedLink]:
    link = ScriptedLink(byte_tokenizer(), **fields)  # type: ignore[arg-type]
    return inference_over(link), link


def inference_over(link: EngineLink) -> Inference:
    return Inference(link, MODEL, CallBook(), today=lambda: date(2026, 2, 3))


E = TypeVar("E")


async def read_all(call: Call[E]) -> list[E | RequestEnded]:
    async with aclosing(call.batches()) as batches:
        return [event async for batch in batches for event in batch.events]


async def answered(inference: Inference, request: ChatRequest, call_id: str = "call") -> ChatResult:
    result = ChatResult(request.options.num_choices)
    call = await inference.chat(request, CallRequest(call_id))
    async with aclosing(call.batches()) as batches:
        async for batch in batches:
            result.take(batch.events)
    return result


async def test_a_chat_is_rendered_generated_and_parsed() -> None:
    inference, link = scripted()
    options = GenerationOptions(
        SamplingParameters(temperature=0.5, seed=3),
        max_tokens=50,
        stop=StopRules(("x",)),
        reasoning_budget=7,
        timeout_s=9.0,
        cache_salt=b"salt",
    )
    result = await answered(inference, replace(HELLO, options=options))
    assert result.choices[0].content == "Hello."
    assert result.usage is not None
    (request,) = link.requests
    prompt = byte_tokenizer().decode(request.prompt)
    assert "Current date: 2026-02-03" in prompt
    assert prompt.endswith("userHello?assistant")
    assert (request.request_id, request.sampling, request.max_tokens) == ("call", options.sampling, 50)
    assert (request.stop, request.reasoning_budget, request.timeout_s) == (options.stop, 7, 9.0)
    assert request.cache_salt == b"salt"


async def test_text_is_taken_as_it_is() -> None:
    inference, link = scripted(script=lambda request, choice: f"to {choice}")  # noqa: ARG005
    spelled = TextRequest("a<|end|>", GenerationOptions(num_choices=2), echo=True)
    events = await read_all(await inference.text(spelled, CallRequest("text")))
    assert link.requests[0].prompt == tuple(byte_tokenizer().encode("a<|end|>")), "no control token"
    assert isinstance(events[-1], RequestEnded)
    texts = ["".join(e.text for e in events if isinstance(e, ChoiceDelta) and e.choice == n) for n in (0, 1)]
    assert texts == ["to 0", "to 1"]
    with pytest.raises(InvalidRequestError, match="holds the token 300"):
        await inference.text(TextRequest((1, 300)), CallRequest("text"))


async def test_tokens_are_counted_as_the_chat_would_be_rendered() -> None:
    inference, link = scripted()
    num_tokens = await inference.count_tokens(HELLO)
    await answered(inference, HELLO)
    assert num_tokens == len(link.requests[0].prompt)
    assert await inference.tokenize("hi") == byte_tokenizer().encode("hi")


async def test_what_the_engine_refuses_is_raised_at_the_first_batch() -> None:
    inference, _ = scripted(refusal=CapacityError("no place"))
    with pytest.raises(CapacityError, match="no place"):
        await answered(inference, HELLO)
    assert inference.book.num_live == 0


async def test_a_call_is_cancelled_by_its_id() -> None:
    inference, link = scripted(stalls_after=2)
    call = await inference.chat(HELLO, CallRequest("mine"))
    reading = asyncio.create_task(read_all(call))
    await until(lambda: link.num_running == 1)
    inference.cancel("mine")
    with pytest.raises(RequestCancelledError):  # nothing that is text was told yet
        await reading
    assert link.cancelled == ["mine"]
    with pytest.raises(CallNotKeptError):
        inference.cancel("mine")
    await nothing_is_left()


async def test_the_same_key_is_the_same_call() -> None:
    inference, link = scripted()
    request = CallRequest("first", idempotency_key="key", digest=b"1")
    first = await inference.chat(HELLO, request)
    second = await inference.chat(HELLO, replace(request, call_id="second"))
    assert first is second
    assert await read_all(first) == await read_all(second)
    assert len(link.requests) == 1
    await inference.book.aclose()


def test_other_names_of_the_model_are_known_and_others_not() -> None:
    MODEL.check_name("tiny")
    MODEL.check_name("gpt-oss-20b")
    with pytest.raises(NotFoundError, match="'gpt-4' is not served here; these are: tiny, gpt-oss-20b"):
        MODEL.check_name("gpt-4")


def test_a_tokenizer_without_harmony_makes_no_gateway() -> None:
    tokenizer = replace(byte_tokenizer(), special_ids={})
    with pytest.raises(TokenizerError, match="none of harmony's special tokens"):
        Inference(ScriptedLink(tokenizer), replace(MODEL, tokenizer=tokenizer), CallBook())


async def test_it_is_ready_while_an_engine_serves() -> None:
    inference, link = scripted()
    inference.check_ready()
    link.load = None
    with pytest.raises(NotReadyError, match="no attention worker"):
        inference.check_ready()
    link.load = replace(SERVING, state=ServingState.DRAINING)
    with pytest.raises(NotReadyError, match="draining"):
        inference.check_ready()
    link.load = SERVING
    inference.book.refuse_new()
    with pytest.raises(NotReadyError, match="about to stop"):
        inference.check_ready()


@asynccontextmanager
async def over_paper() -> AsyncIterator[tuple[Inference, PaperEngine]]:
    """A real engine, whose model is on paper; its vocabulary is of that model's size."""
    paper = PaperEngine(num_pages=200)
    engines: list[Engine] = []

    def make(deliver: Deliver) -> Engine:
        engines.append(Engine(paper.core, paper.admission, max_waiting=50, deliver=deliver))
        return engines[0]

    link = LocalEngineLink(make)
    engines[0].start()
    yield inference_over(link), paper
    await asyncio.to_thread(engines[0].close)


async def test_a_reader_that_goes_frees_its_pages_within_two_steps() -> None:
    async with over_paper() as (inference, paper):
        paper.model.step_s = 0.02
        call = await inference.text(TextRequest(tuple(range(1, 9))), CallRequest("gone"))
        async with aclosing(call.batches()) as batches:
            await anext(batches)
            num_steps = paper.core.statistics.num_steps
        await until(lambda: not paper.core.sequences)
        assert paper.core.statistics.num_steps - num_steps <= 2
        assert paper.core.pool.num_free == paper.core.pool.num_pages, "what is kept is free, too"


async def test_many_at_once_get_what_each_would_get_alone() -> None:
    async with over_paper() as (inference, paper):
        greedy = GenerationOptions(SamplingParameters(temperature=0.0), max_tokens=9)
        prompts = [tuple(range(1, 3 + number)) for number in range(12)]
        calls = [
            await inference.text(TextRequest(prompt, greedy), CallRequest(f"{number}"))
            for number, prompt in enumerate(prompts)
        ]
        told = await asyncio.gather(*map(read_all, calls))
        for prompt, events in zip(prompts, told, strict=True):
            request = TextRequest(prompt, greedy)
            assert tokens_of(events) == paper.alone(_alone(request))


def tokens_of(events: Sequence[Event]) -> list[int]:
    return [token for event in events if isinstance(event, ChoiceDelta) for token in event.token_ids]


def _alone(request: TextRequest) -> GenerationRequest:
    assert not isinstance(request.prompt, str)
    return GenerationRequest("alone", request.prompt, request.options.sampling, max_tokens=9)


async def test_a_required_tool_must_be_declared() -> None:
    with pytest.raises(InvalidRequestError, match="none is declared"):
        ChatRequest(HELLO.turns, tool_choice=ToolChoice(ToolUse.REQUIRED))
    with pytest.raises(InvalidRequestError, match="'b' must be called and is not declared; declared: a"):
        ChatRequest(HELLO.turns, (FunctionTool("a"),), ToolChoice(ToolUse.REQUIRED, "b"))
    with pytest.raises(InvalidRequestError, match="declared twice"):
        ChatRequest(HELLO.turns, (FunctionTool("a"), FunctionTool("a")))
    with pytest.raises(InvalidRequestError, match="empty"):
        ChatRequest(())


async def test_what_the_engine_says_against_a_schema_names_what_the_client_sent() -> None:
    refusal = InvalidGrammarError("lark at line 4, column 1: failed to compile JSON schema: no such type")
    inference, link = scripted(refusal=refusal)
    answer = AnswerFormat(GrammarSpec.json_schema('{"type": "strange"}'))
    with pytest.raises(InvalidGrammarError, match=r"^the response format: no such type"):
        await answered(inference, replace(HELLO, answer_format=answer))
    grammar = link.requests[0].grammar
    assert grammar is not None
    assert grammar.text.splitlines()[3].startswith("answer:")


async def test_where_there_is_no_room_no_prompt_is_made() -> None:
    """Neither could be: that would be said instead."""
    inference = Inference(ScriptedLink(byte_tokenizer()), MODEL, CallBook(CallSettings(max_calls=1)))
    text, chat = TextRequest((1_000_000,)), ChatRequest((ToolTurn("call of nobody", "8"),))

    async def refused_with(error: type[ExpertMeshError]) -> None:
        with pytest.raises(error):
            await inference.text(text, CallRequest("text"))
        with pytest.raises(error):
            await inference.chat(chat, CallRequest("chat"))

    await refused_with(InvalidRequestError)
    running = await inference.chat(HELLO, CallRequest("call"))
    await refused_with(CapacityError)
    await read_all(running)
    inference.book.refuse_new()
    await refused_with(NotReadyError)
    await nothing_is_left()
