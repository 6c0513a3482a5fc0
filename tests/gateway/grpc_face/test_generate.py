"""Generate and its unary twin, over a real channel."""

import grpc
import grpc.aio
import pytest

from model.tokenizer.tokenizer import Tokenizer
from protos.errors import EngineStoppedError
from protos.gen.v1 import inference_pb2 as pb
from tests.gateway.engine_link.hearing import nothing_is_left
from tests.gateway.grpc_face.served import Refusal, Streamed, serving
from tests.gateway.scripted_link import ScriptedLink
from workers.engine.request import GenerationRequest, Priority


def say(_: GenerationRequest, choice: int) -> str:
    return ("Well, hello.", "No.")[choice] + "<|return|>"


def asked(**fields: object) -> pb.GenerateRequest:
    return pb.GenerateRequest(text="Say <|end|>.", **fields)  # type: ignore[arg-type]


async def test_a_stream_of_text_tokens_and_ends(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, say)
    async with serving(link, tokenizer) as served:
        request = asked(options=pb.GenerationOptions(num_choices=2), echo=True)
        request.options.sampling.logprobs = 2
        request.options.sampling.prompt_logprobs = 1
        call = served.stub.Generate(request, metadata=(("x-request-id", "mine"),))
        streamed = await Streamed.of(call)
        assert dict(await call.initial_metadata())["x-request-id"] == "mine"
    assert {message.request_id for message in streamed.messages} == {"mine"}
    assert streamed.events[0].prompt_echo.text == "Say <|end|>."
    assert len(streamed.events[0].prompt_echo.token_ids) == 12  # its spelling, and not the token
    assert len(streamed.events[0].prompt_echo.logprobs.chosen_ids) == 11
    assert streamed.text("text_delta") == "Well, hello."
    assert streamed.text("text_delta", 1) == "No."
    deltas = [event.text_delta for event in streamed.of_kind("text_delta")]
    token_ids = [token_id for delta in deltas if delta.choice == 1 for token_id in delta.token_ids]
    assert token_ids == tokenizer.encode_with_specials("No.<|return|>")
    for delta in deltas:
        assert list(delta.logprobs.chosen_ids) == list(delta.token_ids)
        assert list(delta.logprobs.num_tops) == [2] * len(delta.token_ids)
    ends = [event.choice_ended for event in streamed.of_kind("choice_ended")]
    assert [(end.choice, end.finish) for end in ends] == [
        (0, pb.FINISH_REASON_STOP),
        (1, pb.FINISH_REASON_STOP),
    ]
    assert ends[0].stop_token == tokenizer.special_ids["<|return|>"]
    assert not streamed.ended.HasField("failure")
    assert (streamed.ended.usage.prompt_tokens, streamed.ended.usage.output_tokens) == (12, 17)
    await nothing_is_left()


async def test_the_unary_twin_says_the_same_in_one_piece(tokenizer: Tokenizer) -> None:
    async with serving(ScriptedLink(tokenizer, say), tokenizer) as served:
        request = asked(options=pb.GenerationOptions(num_choices=2), echo=True)
        answer = await served.stub.GenerateUnary(pb.GenerateUnaryRequest(request=request))
    assert answer.prompt_echo.text == "Say <|end|>."
    assert [choice.text.text for choice in answer.choices] == ["Well, hello.", "No."]
    assert [choice.ended.choice for choice in answer.choices] == [0, 1]
    assert list(answer.choices[1].text.token_ids) == tokenizer.encode_with_specials("No.<|return|>")
    assert answer.usage.output_tokens == 17
    assert answer.request_id.startswith("req_")


async def test_every_option_reaches_the_engine(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, say)
    request = pb.GenerateRequest(
        model="paper",
        token_ids=pb.TokenIds(ids=[5, 6, 7]),
        options=pb.GenerationOptions(
            sampling=pb.SamplingParameters(
                temperature=0.0, top_k=3, top_p=0.5, seed=-4, logit_bias={9: -2.5}
            ),
            max_tokens=6,
            min_tokens=2,
            num_choices=2,
            stop=pb.StopRules(strings=["x"], token_ids=[8], model_stops=False),
            reasoning_budget=11,
            priority=pb.PRIORITY_BATCH,
        ),
        grammar=pb.Grammar(choice=pb.Choices(choices=["a", "b"])),
    )
    async with serving(link, tokenizer) as served:
        await Streamed.of(served.stub.Generate(request, timeout=60))
    (got,) = link.requests
    assert got.prompt == (5, 6, 7)
    assert (got.sampling.temperature, got.sampling.top_k, got.sampling.top_p) == (0.0, 3, 0.5)
    assert (got.sampling.seed, got.sampling.logit_bias) == (-4, {9: -2.5})
    assert (got.max_tokens, got.min_tokens, got.num_choices, got.reasoning_budget) == (6, 2, 2, 11)
    assert (got.stop.strings, got.stop.token_ids, got.stop.model_stops) == (("x",), frozenset({8}), False)
    assert got.priority is Priority.BATCH
    assert got.grammar is not None
    assert got.grammar.choices == ("a", "b")
    assert got.timeout_s is not None
    assert 58 < got.timeout_s < 60 - 0.1, "what is left of the deadline, less what telling the client takes"


async def test_what_is_left_out_is_left_to_our_defaults(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, say)
    async with serving(link, tokenizer) as served:
        await Streamed.of(served.stub.Generate(asked()))
    (got,) = link.requests
    plain = GenerationRequest(got.request_id, got.prompt)
    assert got == plain


@pytest.mark.parametrize("is_unary", [False, True])
async def test_a_refusal_by_the_engine_is_a_status(tokenizer: Tokenizer, is_unary: bool) -> None:
    link = ScriptedLink(tokenizer, refusal=EngineStoppedError("the engine broke"))
    async with serving(link, tokenizer) as served:
        whole, stream = pb.GenerateUnaryRequest(request=asked()), served.stub.Generate
        answer = served.stub.GenerateUnary(whole) if is_unary else Streamed.of(stream(asked()))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await answer
        refusal = Refusal.of(caught.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "EngineStoppedError")


async def test_a_failure_after_acceptance_is_the_terminal_event(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, say, breaks_after=(4, EngineStoppedError("the engine broke")))
    async with serving(link, tokenizer) as served:
        streamed = await Streamed.of(served.stub.Generate(asked()))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.stub.GenerateUnary(pb.GenerateUnaryRequest(request=asked()))
    assert streamed.text("text_delta") == "Well"
    assert streamed.ended.failure.reason == "EngineStoppedError"
    assert streamed.ended.failure.code == grpc.StatusCode.UNAVAILABLE.value[0]
    assert streamed.ended.usage.output_tokens == 4
    assert Refusal.of(caught.value).reason == "EngineStoppedError", "in one piece it is a status all the same"
