"""Questions against a gateway that says what a test has written for it."""

import io
from collections.abc import Iterator

import pytest

from examples.first_run.interview import Interview
from examples.first_run.questions import QUESTIONS
from tests.cluster.chat.scripted_gateway import ScriptedGateway, call, delta, finish, usage

CALLS = [
    delta(reasoning="look"),
    call(0, "get_weather", '{"city":"Rome"}'),
    finish("tool_calls"),
    usage(40, 9),
]
ANSWER = [delta(reasoning="so"), delta(content="It is sunny."), finish("stop"), usage(60, 7, cached=32)]


@pytest.fixture
def gateway() -> Iterator[ScriptedGateway]:
    made = ScriptedGateway([CALLS, ANSWER])
    made.begin()
    yield made
    made.close()


def test_a_tool_is_run_and_all_of_it_is_shown(gateway: ScriptedGateway) -> None:
    out = io.StringIO()
    interview = Interview(gateway.url, out)
    assert interview.model == "scripted"
    interview.ask(QUESTIONS[2])
    said = [line for line in out.getvalue().splitlines() if line]
    assert [line.partition(" · first")[0] for line in said] == [
        "> What is the weather in Rome?",
        "(look)",
        '-> get_weather {"city":"Rome"}',
        "[40 in · 9 out",
        '<- {"temperature": 21, "sky": "sunny"}',
        "(so)",
        "It is sunny.",
        "[60 in (32 cached) · 7 out",
    ]
    first, second = gateway.requests
    assert [tool["function"]["name"] for tool in first["tools"]] == ["get_weather"]  # type: ignore[attr-defined]
    assert (first["temperature"], first["model"]) == (0, "scripted")
    assert second["messages"][-1]["content"] == '{"temperature": 21, "sky": "sunny"}'  # type: ignore[index]


def test_each_question_begins_anew_and_a_model_that_only_calls_is_left(gateway: ScriptedGateway) -> None:
    gateway.scripts = [CALLS]
    interview = Interview(gateway.url, io.StringIO())
    interview.ask(QUESTIONS[2])
    assert len(gateway.requests) == 4
    interview.ask(QUESTIONS[2])
    assert len(gateway.requests[4]["messages"]) == 1  # type: ignore[arg-type]
