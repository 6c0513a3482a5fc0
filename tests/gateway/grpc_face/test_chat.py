"""Chat and its unary twin, over a real channel."""

import grpc
import grpc.aio
import pytest

from model.tokenizer.tokenizer import Tokenizer
from protos.errors import EngineStoppedError
from protos.gen.v1 import inference_pb2 as pb
from tests.gateway.grpc_face.served import Refusal, Streamed, serving
from tests.gateway.scripted_link import ScriptedLink
from workers.engine.request import GenerationRequest

ARGUMENTS = '{"city":"Köln"}'
WEATHER = pb.Tool(
    name="weather",
    description="Of now.",
    parameters='{"type":"object","properties":{"city":{"type":"string"}}}',
)


def say(_: GenerationRequest, choice: int) -> str:
    reasoning = f"<|channel|>analysis<|message|>Where? {choice}<|end|><|start|>assistant"
    if choice == 1:
        return f"{reasoning}<|channel|>final<|message|>In Köln.<|return|>"
    return (
        f"{reasoning}<|channel|>commentary<|message|>Let me look.<|end|><|start|>assistant"
        f"<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{ARGUMENTS}<|call|>"
    )


def asked(**fields: object) -> pb.ChatRequest:
    return pb.ChatRequest(
        messages=[
            pb.Message(instruction=pb.InstructionMessage(text="Be kind.")),
            pb.Message(user=pb.UserMessage(text="Is it raining?")),
        ],
        tools=[WEATHER],
        **fields,  # type: ignore[arg-type]
    )


async def test_a_stream_of_typed_deltas(tokenizer: Tokenizer) -> None:
    request = asked(options=pb.GenerationOptions(num_choices=2))
    request.options.sampling.logprobs = 1
    async with serving(ScriptedLink(tokenizer, say), tokenizer) as served:
        streamed = await Streamed.of(served.stub.Chat(request))
    assert streamed.text("reasoning_delta") == "Where? 0"
    assert streamed.text("reasoning_delta", 1) == "Where? 1"
    assert streamed.text("content_delta") == "Let me look."
    assert streamed.text("content_delta", 1) == "In Köln."
    assert streamed.text("tool_arguments_delta") == ARGUMENTS
    (began,) = (event.tool_call_began for event in streamed.of_kind("tool_call_began"))
    assert (began.choice, began.call_index, began.name) == (0, 0, "weather")
    assert began.call_id.startswith("call_")
    channels = {
        (event.content_delta.choice, event.content_delta.channel)
        for event in streamed.of_kind("content_delta")
    }
    assert channels == {(0, pb.CHANNEL_COMMENTARY), (1, pb.CHANNEL_FINAL)}
    for event in streamed.of_kind("content_delta"):
        assert len(event.content_delta.logprobs.chosen_ids) == event.content_delta.num_tokens
    ends = {
        event.choice_ended.choice: event.choice_ended.finish for event in streamed.of_kind("choice_ended")
    }
    assert ends == {0: pb.FINISH_REASON_TOOL_CALLS, 1: pb.FINISH_REASON_STOP}
    assert not streamed.ended.HasField("failure")


async def test_the_unary_twin_says_the_same_in_one_piece(tokenizer: Tokenizer) -> None:
    request = asked(options=pb.GenerationOptions(num_choices=2))
    async with serving(ScriptedLink(tokenizer, say), tokenizer) as served:
        answer = await served.stub.ChatUnary(pb.ChatUnaryRequest(request=request))
    calling, answering = answer.choices
    assert (calling.reasoning, calling.preamble, calling.content) == ("Where? 0", "Let me look.", "")
    assert (answering.reasoning, answering.preamble, answering.content) == ("Where? 1", "", "In Köln.")
    (call,) = calling.tool_calls
    assert (call.name, call.arguments) == ("weather", ARGUMENTS)
    assert [choice.ended.finish for choice in answer.choices] == [
        pb.FINISH_REASON_TOOL_CALLS,
        pb.FINISH_REASON_STOP,
    ]
    assert answer.usage.output_tokens > 0


async def test_a_tool_loop_goes_on(tokenizer: Tokenizer) -> None:
    """What the first answer said goes back as it came, and reaches the prompt."""
    link = ScriptedLink(tokenizer, say)
    async with serving(link, tokenizer) as served:
        answer = await served.stub.ChatUnary(pb.ChatUnaryRequest(request=asked()))
        (choice,) = answer.choices
        request = asked()
        request.messages.append(
            pb.Message(
                assistant=pb.AssistantMessage(reasoning=choice.reasoning, tool_calls=choice.tool_calls)
            )
        )
        result = pb.ToolMessage(call_id=choice.tool_calls[0].call_id, output="It pours.")
        request.messages.append(pb.Message(tool=result))
        await served.stub.ChatUnary(pb.ChatUnaryRequest(request=request))
        count = await served.stub.CountTokens(pb.CountTokensRequest(chat=request))
    prompt = link.requests[1].prompt
    text = tokenizer.decode(prompt)
    for said in ("Be kind.", "Is it raining?", "Where? 0", ARGUMENTS, "It pours.", "functions.weather"):
        assert said in text
    assert count.num_tokens == len(prompt)


async def test_a_failure_after_acceptance(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, say, breaks_after=(40, EngineStoppedError("the engine broke")))
    async with serving(link, tokenizer) as served:
        streamed = await Streamed.of(served.stub.Chat(asked()))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.stub.ChatUnary(pb.ChatUnaryRequest(request=asked()))
    assert streamed.ended.failure.reason == Refusal.of(caught.value).reason == "EngineStoppedError"


@pytest.mark.parametrize(
    ("request_", "field", "said"),
    [
        pytest.param(pb.ChatRequest(), "messages", "the conversation is empty", id="nothing"),
        pytest.param(
            pb.ChatRequest(messages=[pb.Message()]),
            "messages[0]",
            "message 0 is of no kind that this gateway knows",
            id="a message of no kind",
        ),
        pytest.param(
            asked(tool_choice=pb.ToolChoice(name="clock")),
            "tool_choice",
            "'clock' must be called and is not declared",
            id="a tool that is not there",
        ),
        pytest.param(
            asked(tool_choice=pb.ToolChoice(use=pb.TOOL_USE_NONE, name="weather")),
            "tool_choice",
            "leave `name` or `use` out",
            id="a tool that must and need not",
        ),
        pytest.param(
            asked(tool_choice=pb.ToolChoice(use=77)),  # type: ignore[arg-type]
            "tool_choice.use",
            "the use of tools is 77",
            id="a use that is not known",
        ),
        pytest.param(
            asked(reasoning_effort=9), "reasoning_effort", "the reasoning effort is 9", id="an effort"
        ),
        pytest.param(
            asked(options=pb.GenerationOptions(priority=9)),  # type: ignore[arg-type]
            "priority",
            "the priority is 9",
            id="a priority",
        ),
        pytest.param(
            asked(response_format=pb.ResponseFormat()), "grammar", "of no kind", id="a form of no kind"
        ),
        pytest.param(
            pb.ChatRequest(
                messages=asked().messages, tools=[pb.Tool(name="deep", parameters='{"a":' * 5000)]
            ),
            "tools[0].parameters",
            "the parameters of the tool 'deep' are no JSON schema",
            id="a schema that is none",
        ),
        pytest.param(
            pb.ChatRequest(messages=[*asked().messages] * 3000), "messages", "at most 4096", id="too many"
        ),
    ],
)
async def test_what_cannot_be_asked(
    tokenizer: Tokenizer, request_: pb.ChatRequest, field: str, said: str
) -> None:
    link = ScriptedLink(tokenizer)
    async with serving(link, tokenizer) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Streamed.of(served.stub.Chat(request_))
    refusal = Refusal.of(caught.value)
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.field == field
    assert said in refusal.message
    assert link.requests == []
