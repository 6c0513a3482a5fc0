"""OpenAI's Agents SDK drives a running server: an agent with a function, whole and as a stream."""

from typing import Any

import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from pydantic import BaseModel

from tests.gateway.http_face.running_face import MODEL
from tests.gateway.responses.served import Served, calling, served, thinking

SCRIPT = calling("I look.", "look", '{"at":"sea"}'), thinking("Blue.", "Yes, it is blue.")
QUIET = RunConfig(tracing_disabled=True)


@pytest.fixture(autouse=True)
def untraced() -> None:
    """Traces would go to OpenAI."""
    set_tracing_disabled(disabled=True)


class Looked:
    """A function, and where it was asked to look."""

    def __init__(self) -> None:
        self.places: list[str] = []

    def look(self, at: str) -> str:
        """Looks somewhere."""
        self.places.append(at)
        return "blue"


def agent(at: Served, looked: Looked, **fields: Any) -> Agent[None]:
    model = OpenAIResponsesModel(MODEL, at.client)
    return Agent(
        name="looker",
        instructions="Look before you answer.",
        model=model,
        tools=[function_tool(looked.look)],
        **fields,
    )


@pytest.mark.parametrize("is_kept", [True, False], ids=["previous response", "items"])
async def test_an_agent_with_a_function(is_kept: bool) -> None:
    looked = Looked()
    async with served(*SCRIPT) as at:
        result = await Runner.run(
            agent(at, looked, model_settings=ModelSettings(store=is_kept)),
            "Is the sea blue?",
            run_config=QUIET,
            auto_previous_response_id=is_kept,
        )
        assert result.final_output == "Yes, it is blue."
        assert looked.places == ["sea"]
        told = at.gateway.prompt(1)
        assert "analysis<|message|>I look.<|end|>" in told
        assert "<|start|>functions.look to=assistant<|channel|>commentary<|message|>blue<|end|>" in told
        assert len(at.gateway.store) == (2 if is_kept else 0)


async def test_an_agent_that_streams() -> None:
    looked = Looked()
    async with served(*SCRIPT) as at:
        result = Runner.run_streamed(agent(at, looked), "Is the sea blue?", run_config=QUIET)
        deltas = [
            event.data.delta
            async for event in result.stream_events()
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
        ]
        assert "".join(deltas) == result.final_output == "Yes, it is blue."
        assert len(deltas) == len("Yes, it is blue.")
        assert looked.places == ["sea"]


class Colour(BaseModel):
    colour: str


async def test_an_agent_with_an_output_type() -> None:
    async with served(SCRIPT[0], thinking("Blue.", '{"colour":"blue"}')) as at:
        result = await Runner.run(
            agent(at, Looked(), output_type=Colour), "Which colour has the sea?", run_config=QUIET
        )
        assert result.final_output == Colour(colour="blue")
