"""The judge of scores: it passes nothing but the whole expected answer."""

import pytest

from examples.demo.example import Example
from examples.demo.right import is_as_expected
from gateway.chat.chat_request import AnswerFormat, ChatRequest
from gateway.chat.chat_result import ChatChoice
from gateway.chat.turns import ToolCall, UserTurn
from gateway.harmony.conversation import Message
from workers.grammar.spec import GrammarKind, GrammarSpec

ASKED = (UserTurn("?"),)
SCHEMA = AnswerFormat(GrammarSpec(GrammarKind.JSON_SCHEMA, "{}"), "some")
TEXT = Example("t", "k", ChatRequest(ASKED), (Message.reasoning("r"), Message.final("7, 5.")))
JSON = Example("t", "k", ChatRequest(ASKED, answer_format=SCHEMA), (Message.final('{"a":1,"b":[2]}'),))
CALL = Example("t", "k", ChatRequest(ASKED), (Message.call("get_x", '{"a":1,"b":2}'),))


def call(name: str, arguments: str) -> ToolCall:
    return ToolCall("call_1", name, arguments)


@pytest.mark.parametrize(
    ("example", "choice"),
    [
        (TEXT, ChatChoice(content="7, 5.", reasoning="another")),
        (JSON, ChatChoice(content='{"b": [2], "a": 1}')),
        (CALL, ChatChoice(tool_calls=[call("get_x", '{"b": 2, "a": 1}')])),
    ],
)
def test_the_same_is_right(example: Example, choice: ChatChoice) -> None:
    assert is_as_expected(example, choice)


@pytest.mark.parametrize(
    ("example", "choice"),
    [
        (TEXT, ChatChoice(content="7, 5")),
        (TEXT, ChatChoice(content="5, 7.")),
        (TEXT, ChatChoice(content="7, 5. And more.")),
        (TEXT, ChatChoice(content="7, 5.", tool_calls=[call("get_x", "{}")])),
        (TEXT, ChatChoice()),
        (JSON, ChatChoice(content='{"a":1,"b":[3]}')),
        (JSON, ChatChoice(content='{"a":1,"b":[2],"c":0}')),
        (JSON, ChatChoice(content='{"a":1,"b":[2]')),
        (CALL, ChatChoice(tool_calls=[call("get_y", '{"a":1,"b":2}')])),
        (CALL, ChatChoice(tool_calls=[call("get_x", '{"a":1,"b":3}')])),
        (CALL, ChatChoice(tool_calls=[call("get_x", '{"a":1,"b":2}')], content="and")),
        (CALL, ChatChoice(tool_calls=[call("get_x", '{"a":1,"b":2}')] * 2)),
        (CALL, ChatChoice(content='{"a":1,"b":2}')),
    ],
)
def test_anything_else_is_wrong(example: Example, choice: ChatChoice) -> None:
    assert not is_as_expected(example, choice)
