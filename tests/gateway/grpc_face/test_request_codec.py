"""Requests on the wire become our own, with nothing lost."""

import pytest

from gateway.chat.chat_request import AnswerFormat, ToolChoice, ToolUse
from gateway.chat.turns import AssistantTurn, InstructionTurn, ToolCall, ToolTurn, UserTurn
from gateway.grpc_face.options_codec import grammar_from_message
from gateway.grpc_face.request_codec import chat_request_from_message, text_request_from_message
from gateway.grpc_face.settings import GrpcFaceSettings
from gateway.harmony.settings import FunctionTool, ReasoningEffort
from protos.errors import InvalidRequestError, TooLargeError
from protos.gen.v1 import inference_pb2 as pb
from workers.grammar.spec import GrammarSpec

SETTINGS = GrpcFaceSettings(max_tools=2)
USER = pb.Message(user=pb.UserMessage(text="b"))


def test_a_chat_with_everything_in_it() -> None:
    message = pb.ChatRequest(
        messages=[
            pb.Message(instruction=pb.InstructionMessage(text="a")),
            USER,
            pb.Message(
                assistant=pb.AssistantMessage(
                    reasoning="c",
                    content="d",
                    tool_calls=[pb.ToolCall(call_id="1", name="clock", arguments="{}")],
                )
            ),
            pb.Message(tool=pb.ToolMessage(call_id="1", output="noon")),
        ],
        tools=[
            pb.Tool(name="clock", description="Time.", parameters='{"z": 1, "a": 2}'),
            pb.Tool(name="bell", strict=True),
        ],
        tool_choice=pb.ToolChoice(name="clock"),
        response_format=pb.ResponseFormat(grammar=pb.Grammar(regex="x+"), name="xs", description="Many."),
        reasoning_effort=pb.REASONING_EFFORT_LOW,
        options=pb.GenerationOptions(max_tokens=7, reasoning_budget=3),
        enveloped=True,
    )
    request = chat_request_from_message(message, 2.5, SETTINGS)
    assert request.turns == (
        InstructionTurn("a"),
        UserTurn("b"),
        AssistantTurn("c", "d", (ToolCall("1", "clock", "{}"),)),
        ToolTurn("1", "noon"),
    )
    assert request.tools == (
        FunctionTool("clock", "Time.", {"z": 1, "a": 2}),
        FunctionTool("bell", is_strict=True),
    )
    assert list(request.tools[0].parameters or ()) == ["z", "a"], "in the client's order"
    assert request.tool_choice == ToolChoice(ToolUse.REQUIRED, "clock")
    assert request.answer_format == AnswerFormat(GrammarSpec.regex("x+"), "xs", "Many.")
    assert request.effort is ReasoningEffort.LOW
    assert (request.options.max_tokens, request.options.reasoning_budget) == (7, 3)
    assert request.options.timeout_s == 2.5
    assert request.is_enveloped


def test_a_chat_with_nothing_in_it_but_a_word() -> None:
    request = chat_request_from_message(pb.ChatRequest(messages=[USER]), None, SETTINGS)
    assert request == type(request)((UserTurn("b"),))


@pytest.mark.parametrize(
    ("message", "spec"),
    [
        (pb.Grammar(json_schema='{"type": "object"}'), GrammarSpec.json_schema('{"type": "object"}')),
        (pb.Grammar(json_object=pb.JsonObject()), GrammarSpec.json_object()),
        (pb.Grammar(regex="a|b"), GrammarSpec.regex("a|b")),
        (pb.Grammar(choice=pb.Choices(choices=["a", "b"])), GrammarSpec.choice("a", "b")),
        (pb.Grammar(lark='start: "a"'), GrammarSpec.lark('start: "a"')),
    ],
)
def test_grammars(message: pb.Grammar, spec: GrammarSpec) -> None:
    assert grammar_from_message(message) == spec


def test_what_is_missing_or_too_much() -> None:
    with pytest.raises(InvalidRequestError, match="the prompt is missing") as caught:
        text_request_from_message(pb.GenerateRequest(), None)
    assert caught.value.field == "prompt"
    tools = [pb.Tool(name=name) for name in "abc"]
    with pytest.raises(TooLargeError, match="3 tools are given; at most 2"):
        chat_request_from_message(pb.ChatRequest(messages=[USER], tools=tools), None, SETTINGS)
