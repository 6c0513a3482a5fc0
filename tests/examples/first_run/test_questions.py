import json

import pytest

from examples.first_run.questions import QUESTIONS

(TOOL,) = QUESTIONS[2].tools


def test_the_tool_answers_what_it_is_asked() -> None:
    assert TOOL.name == "add"
    assert TOOL.call('{"a": 612, "b": 345}') == "957"


@pytest.mark.parametrize("arguments", ['{"a": 1}', '{"a": "1", "b": 2}', "[]", '{"a": ', ""])
def test_it_answers_whatever_a_model_writes(arguments: str) -> None:
    assert list(json.loads(TOOL.call(arguments))) == ["error"]
