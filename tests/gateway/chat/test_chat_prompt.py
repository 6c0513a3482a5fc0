"""The prompt of a chat, and which answers are held to a grammar."""

from datetime import date

import pytest

from gateway.chat.chat_prompt import ChatPrompt, ChatPrompter
from gateway.chat.chat_request import AnswerFormat, ChatRequest, ToolChoice, ToolUse
from gateway.chat.turns import UserTurn
from gateway.harmony.settings import FunctionTool
from tests.gateway.vocabulary import byte_tokenizer, byte_vocabulary
from workers.grammar.spec import GrammarKind, GrammarSpec

TOOLS = (FunctionTool("add"), FunctionTool("multiply"))


def prompt(**fields: object) -> ChatPrompt:
    prompter = ChatPrompter(byte_vocabulary(), lambda: date(2026, 2, 3))
    return prompter.prompt(ChatRequest((UserTurn("Hi"),), **fields))  # type: ignore[arg-type]


def grammar(**fields: object) -> str:
    envelope = prompt(**fields).envelope
    assert envelope is not None
    assert envelope.spec.kind is GrammarKind.LARK
    return envelope.spec.text


def test_it_ends_where_the_assistant_begins_to_speak() -> None:
    marks = byte_vocabulary().marks
    token_ids = prompt().token_ids
    assert token_ids[-len("assistant") - 1] == marks.start
    assert byte_tokenizer().decode(token_ids[-len("assistant") :]) == "assistant"
    assert token_ids.count(marks.message) == 2, "of the system and of the user"


def test_an_answer_is_free_unless_something_is_required() -> None:
    assert prompt().envelope is None
    assert prompt(tools=TOOLS).envelope is None
    assert "final:" in grammar(is_enveloped=True)


def test_a_gateway_may_hold_every_answer_to_it() -> None:
    prompter = ChatPrompter(byte_vocabulary(), lambda: date(2026, 2, 3), is_enveloped=True)
    assert prompter.prompt(ChatRequest((UserTurn("Hi"),))).envelope is not None


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        (ToolChoice(ToolUse.REQUIRED), ["add", "multiply"]),
        (ToolChoice(ToolUse.REQUIRED, "add"), ["add"]),
    ],
)
def test_a_tool_that_must_be_called_leaves_no_other_way(choice: ToolChoice, called: list[str]) -> None:
    text = grammar(tools=TOOLS, tool_choice=choice)
    assert "final:" not in text
    assert [tool.name for tool in TOOLS if f"functions.{tool.name}" in text] == called


def test_tools_that_may_not_be_used_are_not_in_the_grammar() -> None:
    text = grammar(tools=TOOLS, tool_choice=ToolChoice(ToolUse.NONE), is_enveloped=True)
    assert "functions." not in text


def test_the_answer_has_the_form_that_is_asked_for() -> None:
    text = grammar(answer_format=AnswerFormat(GrammarSpec.choice("yes", "no")))
    assert '"yes"' in text
    assert '"no"' in text
