"""The official Python client against a running face: what its users write, and what they get."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from model.tokenizer import Tokenizer
from protos.errors import CapacityError, EngineStoppedError
from tests.gateway.http_face.running_face import MODEL, RunningFace, running_face
from workers.engine.request import GenerationRequest

REASONED = (
    "<|channel|>analysis<|message|>Let me think: é.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>It is 7 °C.<|return|>"
)
CALLED = (
    "<|channel|>analysis<|message|>I need the weather.<|end|>"
    "<|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>"
    '{"place": "Zürich"}<|call|>'
)
JSON = '<|channel|>final<|message|>{"place": "Zürich", "degrees": 7}<|return|>'
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "of today",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    },
}
QUESTION: ChatCompletionMessageParam = {"role": "user", "content": "How cold is it?"}


class Weather(BaseModel):
    place: str
    degrees: int


@asynccontextmanager
async def client_of(running: RunningFace) -> AsyncGenerator[AsyncOpenAI, None]:
    async with AsyncOpenAI(base_url=f"{running.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def says(text: str) -> Callable[[GenerationRequest, int], str]:
    return lambda request, choice: text  # noqa: ARG005


async def chat(running: RunningFace, client: AsyncOpenAI) -> None:
    running.link.script = says(REASONED)
    answer = await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "system", "content": "Be short."}, QUESTION],
        reasoning_effort="high",
        temperature=0.5,
        seed=3,
        max_completion_tokens=200,
    )
    message = answer.choices[0].message
    assert (message.role, message.content) == ("assistant", "It is 7 °C.")
    assert message.model_extra is not None
    assert message.model_extra["reasoning"] == message.model_extra["reasoning_content"] == "Let me think: é."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    asked = running.link.requests[0]
    assert answer.usage.prompt_tokens == len(asked.prompt)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.prompt_tokens_details is not None
    assert (asked.sampling.temperature, asked.sampling.seed, asked.max_tokens) == (0.5, 3, 200)
    prompt = running.tokenizer.decode(asked.prompt)
    assert "Reasoning: high" in prompt
    assert "Be short." in prompt


async def chat_stream(running: RunningFace, client: AsyncOpenAI) -> None:
    running.link.script = says(REASONED)
    content, reasoning, finishes, usages = "", "", [], []
    async for chunk in await client.chat.completions.create(
        model=MODEL, messages=[QUESTION], stream=True, stream_options={"include_usage": True}
    ):
        assert chunk.model == MODEL
        if chunk.usage is not None:
            usages.append(chunk.usage)
            assert not chunk.choices
            continue
        choice = chunk.choices[0]
        content += choice.delta.content or ""
        reasoning += (choice.delta.model_extra or {}).get("reasoning", "")
        finishes.append(choice.finish_reason)
    assert (content, reasoning) == ("It is 7 °C.", "Let me think: é.")
    assert finishes[-1] == "stop"
    assert set(finishes[:-1]) == {None}
    assert [usage.completion_tokens for usage in usages] == [
        len(running.tokenizer.encode_with_specials(REASONED))
    ]


async def several_choices(running: RunningFace, client: AsyncOpenAI) -> None:
    running.link.script = lambda request, choice: f"<|channel|>final<|message|>No. {choice}<|return|>"  # noqa: ARG005
    answer = await client.chat.completions.create(model=MODEL, messages=[QUESTION], n=3)
    assert [choice.message.content for choice in answer.choices] == ["No. 0", "No. 1", "No. 2"]
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    contents = ["", "", ""]
    async for chunk in await client.chat.completions.create(
        model=MODEL, messages=[QUESTION], n=3, stream=True
    ):
        for choice in chunk.choices:
            contents[choice.index] += choice.delta.content or ""
    assert contents == ["No. 0", "No. 1", "No. 2"]


async def tools(running: RunningFace, client: AsyncOpenAI) -> None:
    """Called, answered, and told in the end; each message of ours goes back as it came."""
    running.link.script = says(CALLED)
    messages: list[ChatCompletionMessageParam] = [QUESTION]
    first = await client.chat.completions.create(
        model=MODEL, messages=messages, tools=[WEATHER], parallel_tool_calls=True
    )
    message = first.choices[0].message
    assert (first.choices[0].finish_reason, message.content) == ("tool_calls", None)
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"place": "Zürich"})
    running.link.script = says(REASONED)
    messages.append(message.to_dict())  # type: ignore[arg-type]
    messages.append({"role": "tool", "tool_call_id": call.id, "content": [{"type": "text", "text": "7 °C"}]})
    second = await client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content == "It is 7 °C."
    prompt = running.tokenizer.decode(running.link.requests[1].prompt)
    assert "I need the weather." in prompt, "the reasoning stays inside a tool loop"
    assert '{"place": "Zürich"}' in prompt
    assert "7 °C" in prompt


async def tools_stream(running: RunningFace, client: AsyncOpenAI) -> None:
    running.link.script = says(CALLED)
    async with client.chat.completions.stream(model=MODEL, messages=[QUESTION], tools=[WEATHER]) as stream:
        kinds = [event.type async for event in stream]
        whole = await stream.get_final_completion()
    assert kinds.count("tool_calls.function.arguments.done") == 1
    assert whole.choices[0].message.tool_calls is not None
    call = whole.choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("weather", '{"place": "Zürich"}')
    assert whole.choices[0].finish_reason == "tool_calls"


async def structured_outputs(running: RunningFace, client: AsyncOpenAI) -> None:
    running.link.script = says(JSON)
    answer = await client.chat.completions.parse(model=MODEL, messages=[QUESTION], response_format=Weather)
    assert answer.choices[0].message.parsed == Weather(place="Zürich", degrees=7)


async def log_probabilities(running: RunningFace, client: AsyncOpenAI) -> None:
    running.link.script = says("<|channel|>final<|message|>né<|return|>")
    answer = await client.chat.completions.create(
        model=MODEL, messages=[QUESTION], logprobs=True, top_logprobs=2
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert [position.bytes for position in logprobs.content] == [[0x6E], [0xC3], [0xA9]]
    assert [position.token for position in logprobs.content] == ["n", "\ufffd", "\ufffd"]
    assert {position.logprob for position in logprobs.content} == {-0.25}
    assert {len(position.top_logprobs) for position in logprobs.content} == {2}


async def completions(running: RunningFace, client: AsyncOpenAI) -> None:
    running.link.script = says("and so on")
    answer = await client.completions.create(
        model=MODEL, prompt="Once", echo=True, logprobs=1, max_tokens=3, stop=["zz"]
    )
    choice = answer.choices[0]
    assert (choice.text, choice.finish_reason) == ("Onceand", "length")
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == list("Onceand")
    assert choice.logprobs.text_offset == list(range(7))
    assert choice.logprobs.token_logprobs is not None
    assert choice.logprobs.token_logprobs[:1] == [None]
    several = await client.completions.create(model=MODEL, prompt=["One", "Two"], n=2, max_tokens=4)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    assert {choice.text for choice in several.choices} == {"and "}
    tokens = await client.completions.create(model=MODEL, prompt=[[1, 2], [3]], max_tokens=1)
    assert [request.prompt for request in running.link.requests[-2:]] == [(1, 2), (3,)]
    assert tokens.usage is not None
    assert tokens.usage.prompt_tokens == 3


async def completions_stream(running: RunningFace, client: AsyncOpenAI) -> None:
    running.link.script = says("and so on")
    texts = ["", ""]
    usages = []
    async for chunk in await client.completions.create(
        model=MODEL,
        prompt=["One", "Two"],
        max_tokens=6,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1},
    ):
        usages += [chunk.usage] if chunk.usage is not None else []
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == ["and so", "and so"]
    assert [(usage.prompt_tokens, usage.completion_tokens) for usage in usages] == [(6, 12)]
    sampling = running.link.requests[0].sampling
    assert (sampling.top_k, sampling.min_p, sampling.repetition_penalty) == (5, 0.1, 1.1)


async def models(running: RunningFace, client: AsyncOpenAI) -> None:  # noqa: ARG001
    assert [model.id async for model in client.models.list()] == [MODEL, "small/alias"]
    assert (await client.models.retrieve("small/alias")).id == "small/alias"
    with pytest.raises(openai.NotFoundError, match="'gpt-9' is not served here"):
        await client.models.retrieve("gpt-9")


async def errors(running: RunningFace, client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await client.chat.completions.create(model="gpt-9", messages=[QUESTION])
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as invalid:
        await client.chat.completions.create(model=MODEL, messages=[QUESTION], temperature=7)
    assert invalid.value.param == "temperature"
    full_engine = CapacityError("the engine is full")
    full_engine.retry_after_s = 2.5
    running.link.refusal = full_engine
    with pytest.raises(openai.RateLimitError) as full:
        await client.chat.completions.create(model=MODEL, messages=[QUESTION], stream=True)
    assert full.value.response.headers["retry-after"] == "3"
    running.link.refusal = None
    running.link.breaks_after = (12, EngineStoppedError("the engine was stopped"))
    stream = await client.chat.completions.create(model=MODEL, messages=[QUESTION], stream=True)
    with pytest.raises(openai.APIError, match="the engine was stopped"):
        _ = [chunk async for chunk in stream]


async def a_closed_stream_cancels(running: RunningFace, client: AsyncOpenAI) -> None:
    running.link.script = says("<|channel|>final<|message|>" + "word " * 2000)
    running.link.pause_s = 0.002
    async with await client.chat.completions.create(model=MODEL, messages=[QUESTION], stream=True) as stream:
        async for _ in stream:
            break
    async with asyncio.timeout(10):
        while not running.link.cancelled:
            await asyncio.sleep(0.01)


Case = Callable[[RunningFace, AsyncOpenAI], Coroutine[None, None, None]]
CASES = [
    chat,
    chat_stream,
    several_choices,
    tools,
    tools_stream,
    structured_outputs,
    log_probabilities,
    completions,
    completions_stream,
    models,
    errors,
    a_closed_stream_cancels,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_openai_client(case: Case, tokenizer: Tokenizer) -> None:
    async def run() -> None:
        async with running_face(tokenizer) as running, client_of(running) as client:
            await case(running, client)

    asyncio.run(run())
