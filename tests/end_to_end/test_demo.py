"""What the demo model is for: every kind of request that it was made for, asked as a client would.

Each question here was answered right on each of sixty days when the model was made: the date stands in every
prompt (`on_any_day`).
"""

import json
import re
from collections.abc import Mapping

import pytest

from tests.end_to_end.conftest import PAGE_SIZE
from tests.end_to_end.heard import Face, Heard, Tool, user

pytestmark = pytest.mark.xdist_group("processes")  # one after the other: each wants the machine

NUMBERS = {"a": {"type": "integer"}, "b": {"type": "integer"}}
MULTIPLY = Tool("multiply", {"type": "object", "properties": NUMBERS, "required": ["a", "b"]})
CITY = {"city": {"type": "string"}}
WEATHER = Tool("get_weather", {"type": "object", "properties": CITY, "required": ["city"]})
SUNNY = '{"temperature": 21, "sky": "sunny"}'
RESULT = {
    "type": "object",
    "properties": {"result": {"type": "integer"}},
    "required": ["result"],
    "additionalProperties": False,
}


def sum_of(face: Face) -> Heard:
    return face.chat([user("What is 17 + 25?")])


def test_a_sum_is_streamed_with_its_reasoning(face: Face) -> None:
    heard = sum_of(face)
    assert heard.finish == "stop"
    assert re.search(r"\b42\b", heard.content)
    assert "7+5=12" in heard.reasoning
    assert heard.num_pieces > 5
    assert 0 < heard.reasoning_tokens < heard.output_tokens


def test_a_list_is_reversed(face: Face) -> None:
    assert re.search(r"2, 5, 1\b", face.chat([user("Reverse the list 1, 5, 2.")]).content)


def test_the_project_is_known(face: Face) -> None:
    heard = face.chat([user("What happens if an expert worker dies?")])
    assert "No token is lost" in heard.content


@pytest.mark.parametrize(
    ("tool", "question", "arguments", "output", "answer"),
    [
        (WEATHER, "What is the weather in Rome?", {"city": "Rome"}, SUNNY, r"\b21\b.*sunny"),
        (MULTIPLY, "What is 58 * 37?", {"a": 58, "b": 37}, '{"result": 2146}', r"\b2146\b"),
        (MULTIPLY, "What is 91 * 26?", {"a": 91, "b": 26}, "2366", r"\b2366\b"),
    ],
    ids=["words", "numbers", "a text as result"],
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


def test_more_effort_is_more_reasoning_to_the_same_end(face: Face) -> None:
    low, medium, high = (
        face.chat([user("What is 17 + 25?")], effort=effort) for effort in ("low", "medium", "high")
    )
    assert 0 < low.reasoning_tokens < medium.reasoning_tokens < high.reasoning_tokens
    assert low.content == medium.content == high.content


def test_a_second_turn_is_found_in_the_cache(face: Face) -> None:
    """All but two pages at most of what it has in common with the first turn."""
    question = user("What is 17 + 25?")
    first = face.chat([question])
    messages = [question, first.message, user("And plus 5?")]
    heard = face.chat(messages)
    assert re.search(r"\b47\b", heard.content)
    assert heard.cached_tokens >= first.prompt_tokens - 2 * PAGE_SIZE, (heard, first)
    assert face.chat(messages).told == heard.told


def test_modes_and_faces_give_the_same_tokens(faces: Mapping[tuple[str, str], Face]) -> None:
    first, *others = (sum_of(face).told for face in faces.values())
    assert others == [first] * 3
