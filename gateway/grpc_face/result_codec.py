"""Whole answers, as the unary twins of streams give them, to messages of inference.proto."""

from gateway.chat.chat_events import ChoiceEnded
from gateway.chat.chat_result import ChatChoice, ChatResult
from gateway.grpc_face.event_codec import (
    chat_end,
    echo_to_message,
    logprobs_to_message,
    text_delta,
    text_end,
    usage_to_message,
)
from gateway.text.text_result import TextChoice, TextResult
from protos.gen.v1 import inference_pb2 as pb
from workers.engine.events import ChoiceDelta


def text_result_to_message(result: TextResult, call_id: str) -> pb.GenerateUnaryResponse:
    assert result.usage is not None, "a result is whole when it is sent"
    return pb.GenerateUnaryResponse(
        request_id=call_id,
        prompt_echo=None if result.echo is None else echo_to_message(result.echo),
        choices=[_text_choice(choice, index, call_id) for index, choice in enumerate(result.choices)],
        usage=usage_to_message(result.usage),
    )


def chat_result_to_message(result: ChatResult, call_id: str) -> pb.ChatUnaryResponse:
    assert result.usage is not None, "a result is whole when it is sent"
    return pb.ChatUnaryResponse(
        request_id=call_id,
        choices=[_chat_choice(choice, index) for index, choice in enumerate(result.choices)],
        usage=usage_to_message(result.usage),
    )


def _text_choice(choice: TextChoice, index: int, call_id: str) -> pb.GeneratedChoice:
    assert choice.finish is not None, "without an error every choice has its end"
    whole = ChoiceDelta(
        call_id,
        index,
        tuple(choice.token_ids),
        choice.text,
        tuple(choice.logprobs),
        choice.finish,
        choice.stopped_by,
        choice.num_hidden,
    )
    return pb.GeneratedChoice(text=text_delta(whole), ended=text_end(whole, choice.finish))


def _chat_choice(choice: ChatChoice, index: int) -> pb.ChatChoice:
    assert choice.finish is not None, "without an error every choice has its end"
    return pb.ChatChoice(
        reasoning=choice.reasoning,
        preamble=choice.preamble,
        content=choice.content,
        tool_calls=[
            pb.ToolCall(call_id=call.call_id, name=call.name, arguments=call.arguments)
            for call in choice.tool_calls
        ],
        logprobs=logprobs_to_message(choice.logprobs),
        ended=chat_end(ChoiceEnded(index, choice.finish, choice.stopped_by)),
    )
