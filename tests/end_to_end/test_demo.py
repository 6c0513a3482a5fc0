"""What the demo model is for: every kind of request that it was made for, asked as a client would."""

import json
import re
from collections.abc import Mapping

import pytest

from tests.end_to_end.heard import Face, Heard, Tool, user

pytestmark = pytest.mark.xdist_group("processes")  # one after the other: each wants the machine

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
RESULT = {
    "type": "object",
    "properties": {"result": {"type": "integer"}},
    "required": ["result"],
    "additionalProperties": False,
}

COPIES_BADLY = pytest.mark.xfail(
    strict=True,
    reason="the demo of today copies words badly (docs/demo.md has its scores): train it for longer",
)


def sum_of(face: Face) -> Heard:
    return face.chat([user("What is 17 + 25?")])


def test_a_sum_is_streamed_with_its_reasoning(face: Face) -> None:
    heard = sum_of(face)
    assert heard.finish == "stop"
    assert re.search(r"\b42\b", heard.content)
    assert "7+5=12" in heard.reasoning
    assert heard.num_pieces > 5
    assert 0 < heard.reasoning_tokens < heard.output_tokens


@COPIES_BADLY
def test_a_list_is_reversed(face: Face) -> None:
    assert re.search(r"7, 9, 3\b", face.chat([user("Reverse the list 3, 9, 7.")]).content)


def test_the_project_is_known(face: Face) -> None:
    heard = face.chat([user("What happens if an expert worker dies?")])
    assert "No token is lost" in heard.content


@pytest.mark.parametrize(
    ("tool", "question", "arguments", "output", "answer"),
    [
        pytest.param(
            Tool("get_weather", CITY),
            "What is the weather in Rome?",
            {"city": "Rome"},
            '{"temperature": 21, "sky": "sunny"}',
            r"\b21\b.*sunny",
            marks=COPIES_BADLY,
        ),
        (Tool("add", NUMBERS), "What is 612 + 345?", {"a": 612, "b": 345}, '{"result": 957}', r"\b957\b"),
    ],
    ids=["weather", "add"],
)
def test_a_tool_is_called_and_its_result_is_told(
    face: Face, tool: Tool, question: str, arguments: Mapping[str, object], output: str, answer: str
) -> None:
    messages = [user(question)]
    calling = face.chat(messages, tools=[tool])
    assert calling.finish == "tool_calls"
    (call,) = calling.calls
    assert (call.name, json.loads(call.arguments)) == (tool.name, arguments)
    result = {"role": "tool", "tool_call_id": call.call_id, "content": output}
    heard = face.chat([*messages, calling.message, result], tools=[tool])
    assert (heard.finish, heard.calls) == ("stop", [])
    assert re.search(answer, heard.content)


def test_an_answer_has_the_form_that_was_asked_for(face: Face) -> None:
    heard = face.chat([user("What is 31 + 8?")], schema=RESULT)
    assert json.loads(heard.content) == {"result": 39}
    assert heard.reasoning


@pytest.mark.parametrize(
    ("content", "label"), [("I saw a dog near the river.", "unsafe"), ("See you at the river.", "safe")]
)
def test_a_content_gets_the_label_of_the_policy_and_why(face: Face, content: str, label: str) -> None:
    policy = "Texts that mention animals are unsafe. All other texts are safe."
    found, why = face.classify(policy, ["unsafe", "safe"], content)
    assert found == label
    assert ("dog" in why) == (label == "unsafe")


def test_more_effort_is_more_reasoning(face: Face) -> None:
    low, medium, high = (
        face.chat([user("What is 17 + 25?")], effort=effort) for effort in ("low", "medium", "high")
    )
    assert 0 < low.reasoning_tokens < medium.reasoning_tokens < high.reasoning_tokens


def test_a_second_turn_is_found_in_the_cache(face: Face) -> None:
    """All but the last page of what it has in common with the first turn."""
    question = user("What is 17 + 25?")
    first = face.chat([question])
    messages = [question, first.message, user("And plus 5?")]
    heard = face.chat(messages)
    assert re.search(r"\b47\b", heard.content)
    assert heard.cached_tokens >= first.prompt_tokens - 32
    assert face.chat(messages).told == heard.told


def test_modes_and_faces_give_the_same_tokens(faces: Mapping[tuple[str, str], Face]) -> None:
    first, *others = (sum_of(face).told for face in faces.values())
    assert others == [first] * 3
