import json

import pytest

from examples.first_run.questions import QUESTIONS

(TOOL,) = QUESTIONS[2].tools


def test_the_tool_answers_what_it_is_asked() -> None:
    assert TOOL.name == "get_weather"
    assert json.loads(TOOL.call('{"city": "Rome"}')) == {"temperature": 21, "sky": "sunny"}


@pytest.mark.parametrize("arguments", ['{"place": "Rome"}', '{"city": "Oslo"}', "[]", '{"a": ', ""])
def test_it_answers_whatever_a_model_writes(arguments: str) -> None:
    assert list(json.loads(TOOL.call(arguments))) == ["error"]
