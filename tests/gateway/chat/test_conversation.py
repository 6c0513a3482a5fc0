"""Turns as harmony's messages: the order that the model would have seen, and what cannot have been."""

import json
from datetime import date

import pytest

from gateway.chat.chat_request import AnswerFormat, ChatRequest, ToolChoice, ToolUse
from gateway.chat.conversation import messages_of
from gateway.chat.turns import AssistantTurn, InstructionTurn, ToolCall, ToolTurn, Turn, UserTurn
from gateway.harmony.conversation import Message, Role
from gateway.harmony.settings import (
    DeveloperSettings,
    FunctionTool,
    ReasoningEffort,
    ResponseFormat,
    SystemSettings,
)
from protos.errors import InvalidRequestError
from workers.grammar.spec import GrammarSpec

ADD = FunctionTool("add", "Adds.", {"type": "object"})
SYSTEM = Message.of(Role.SYSTEM, SystemSettings(effort=ReasoningEffort.MEDIUM))


def spoken(*turns: Turn, **fields: object) -> list[Message]:
    """Without the system message, which is tested once."""
    request = ChatRequest(turns, **fields)  # type: ignore[arg-type]
    first, *others = messages_of(request, None)
    assert first == SYSTEM
    return others


def test_the_system_message_has_date_and_effort() -> None:
    request = ChatRequest((UserTurn("Hi"),), effort=ReasoningEffort.HIGH)
    (settings,) = messages_of(request, date(2026, 2, 3))[0].contents
    assert settings == SystemSettings(current_date="2026-02-03", effort=ReasoningEffort.HIGH)


def test_plain_turns_become_messages_without_a_developer() -> None:
    assert spoken(UserTurn("1 + 1?"), AssistantTurn("easy", "2"), UserTurn("Sure?")) == [
        Message.of(Role.USER, "1 + 1?"),
        Message.reasoning("easy"),
        Message.final("2"),
        Message.of(Role.USER, "Sure?"),
    ]


def test_leading_instructions_tools_and_formats_are_the_developers() -> None:
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}}
    answer = AnswerFormat(GrammarSpec.json_schema(json.dumps(schema)), "sum", "The sum.")
    turns = InstructionTurn("Be brief."), InstructionTurn("Be kind."), UserTurn("Hi")
    developer, user = spoken(*turns, tools=(ADD,), answer_format=answer)
    assert developer.contents == (
        DeveloperSettings("Be brief.\n\nBe kind.", (ADD,), (ResponseFormat("sum", schema, "The sum."),)),
    )
    assert user == Message.of(Role.USER, "Hi")


def test_tools_that_may_not_be_used_are_not_told() -> None:
    choice = ToolChoice(ToolUse.NONE)
    assert spoken(UserTurn("Hi"), tools=(ADD,), tool_choice=choice) == [Message.of(Role.USER, "Hi")]


def test_a_format_that_is_no_schema_is_not_told() -> None:
    answer = AnswerFormat(GrammarSpec.choice("yes", "no"))
    assert spoken(UserTurn("Hi"), answer_format=answer) == [Message.of(Role.USER, "Hi")]


def test_a_later_instruction_stands_where_it_was_said() -> None:
    _, developer = spoken(UserTurn("Hi"), InstructionTurn("In French."))
    assert developer.contents == (DeveloperSettings("In French."),)


def test_parallel_calls_are_told_one_after_the_other_each_with_its_result() -> None:
    calls = (ToolCall("x", "add", '{"a":1}'), ToolCall("y", "add", '{"a":2}'))
    turns = (
        UserTurn("Go"),
        AssistantTurn("hm", "I add.", calls),
        ToolTurn("y", "two"),
        ToolTurn("x", "one"),
    )
    assert spoken(*turns)[1:] == [
        Message.reasoning("hm"),
        Message.preamble("I add."),
        Message.call("add", '{"a":1}'),
        Message.result("add", "one"),
        Message.call("add", '{"a":2}'),
        Message.result("add", "two"),
    ]


def test_a_preamble_whose_call_comes_later_stays_commentary() -> None:
    turns = (
        UserTurn("Go"),
        AssistantTurn("hm", "I add.", is_preamble=True),
        AssistantTurn("one more", "", (ToolCall("x", "add", "{}"),)),
        ToolTurn("x", "one"),
    )
    assert spoken(*turns)[1:] == [
        Message.reasoning("hm"),
        Message.preamble("I add."),
        Message.reasoning("one more"),
        Message.call("add", "{}"),
        Message.result("add", "one"),
    ]


def test_an_id_that_is_used_again_is_that_of_the_nearest_call_before() -> None:
    first, second = ToolCall("x", "add", '{"a":1}'), ToolCall("x", "add", '{"a":2}')
    turns = (
        AssistantTurn(tool_calls=(first,)),
        ToolTurn("x", "one"),
        UserTurn("Again"),
        AssistantTurn(tool_calls=(second,)),
        ToolTurn("x", "two"),
    )
    assert spoken(*turns) == [
        Message.call("add", '{"a":1}'),
        Message.result("add", "one"),
        Message.of(Role.USER, "Again"),
        Message.call("add", '{"a":2}'),
        Message.result("add", "two"),
    ]


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        ((AssistantTurn(tool_calls=(ToolCall("x", "add", "{}"),)),), "'x' of the tool 'add' has no result"),
        ((UserTurn("Hi"), ToolTurn("x", "1")), "names the call 'x', which no message before it makes"),
        (
            (
                AssistantTurn(tool_calls=(ToolCall("x", "add", "{}"),)),
                ToolTurn("x", "1"),
                ToolTurn("x", "2"),
            ),
            "has two results",
        ),
        (
            (
                AssistantTurn(tool_calls=(ToolCall("x", "add", "{}"), ToolCall("x", "add", "{}"))),
                ToolTurn("x", "1"),
            ),
            "two tool calls have the id 'x'",
        ),
    ],
)
def test_calls_and_results_that_do_not_go_together_are_refused(turns: tuple[Turn, ...], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as refused:
        spoken(*turns)
    assert refused.value.field == "messages"
