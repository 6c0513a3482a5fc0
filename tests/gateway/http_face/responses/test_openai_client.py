"""The official Python client against a running server: whole answers, streams, tools, formats, background."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai.types.responses import ResponseFunctionToolCall, ResponseInputParam, ResponseReasoningItem
from pydantic import BaseModel

from tests.gateway.http_face.responses.official import checked_response
from tests.gateway.http_face.running_face import MODEL
from tests.gateway.responses.served import calling, served, thinking

LOOK: Any = {
    "type": "function",
    "name": "look",
    "description": "Looks somewhere.",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
    "strict": False,
}
QUESTION = "Is the sea blue?"
REASONING = [
    "response.output_item.added",
    "response.content_part.added",
    *["response.reasoning_text.delta"] * 3,
    "response.reasoning_text.done",
    "response.content_part.done",
    "response.output_item.done",
]
MESSAGE = [
    "response.output_item.added",
    "response.content_part.added",
    *["response.output_text.delta"] * 4,
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]
CALL = [
    "response.output_item.added",
    *["response.function_call_arguments.delta"] * 12,
    "response.function_call_arguments.done",
    "response.output_item.done",
]


async def gathered(stream: AsyncIterator[Any]) -> list[Any]:
    return [event async for event in stream]


async def test_a_whole_answer() -> None:
    async with served() as at:
        response = await at.client.responses.create(
            model=MODEL, input=QUESTION, instructions="Be brief.", reasoning={"effort": "high"}
        )
        assert (response.status, response.output_text) == ("completed", "Yes.")
        thought = response.output[0]
        assert isinstance(thought, ResponseReasoningItem)
        assert thought.content is not None
        assert thought.content[0].text == "Hm."
        assert response.usage is not None
        assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
        prompt = at.gateway.prompt(0)
        assert "Reasoning: high" in prompt
        assert "Be brief." in prompt
        assert await at.client.responses.retrieve(response.id) == response


async def test_the_events_of_a_stream_in_their_order() -> None:
    async with served() as at:
        events = await gathered(await at.client.responses.create(model=MODEL, input=QUESTION, stream=True))
        assert [event.type for event in events] == [
            "response.created",
            "response.in_progress",
            *REASONING,
            *MESSAGE,
            "response.completed",
        ]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert [event.output_index for event in events[2:-1]] == [0] * 8 + [1] * 9
        assert (
            "".join(event.delta for event in events if event.type == "response.output_text.delta") == "Yes."
        )
        assert events[-1].response.output_text == "Yes."
        assert events[0].response.status == "in_progress"
        assert await at.client.responses.retrieve(events[0].response.id) == events[-1].response


async def test_the_clients_own_accumulator_agrees() -> None:
    async with (
        served(calling("I look.", "look", '{"at":"sea"}')) as at,
        at.client.responses.stream(model=MODEL, input=QUESTION, tools=[LOOK]) as stream,
    ):
        types = [event.type async for event in stream]
        final = await stream.get_final_response()
        thought = [*REASONING[:2], *["response.reasoning_text.delta"] * len("I look."), *REASONING[-3:]]
        begun = ["response.created", "response.in_progress"]
        assert types == [*begun, *thought, *CALL, "response.completed"]
        call = final.output[-1]
        assert isinstance(call, ResponseFunctionToolCall)
        assert json.loads(call.arguments) == {"at": "sea"}


async def test_a_tool_loop_by_the_previous_response() -> None:
    async with served(calling("I look.", "look", '{"at":"sea"}'), thinking("Blue.", "Yes.")) as at:
        asked = await at.client.responses.create(model=MODEL, input=QUESTION, tools=[LOOK])
        call = asked.output[-1]
        assert isinstance(call, ResponseFunctionToolCall)
        assert (call.name, call.arguments) == ("look", '{"at":"sea"}')
        output: ResponseInputParam = [
            {"type": "function_call_output", "call_id": call.call_id, "output": "blue"}
        ]
        told = await at.client.responses.create(
            model=MODEL, input=output, tools=[LOOK], previous_response_id=asked.id
        )
        assert told.output_text == "Yes."
        assert told.previous_response_id == asked.id
        assert "analysis<|message|>I look.<|end|>" in at.gateway.prompt(1)


async def test_a_tool_loop_by_items_that_are_sent_back() -> None:
    """Nothing is stored, and the prompt is that of the loop over what is."""
    async with served(calling("I look.", "look", '{"at":"sea"}'), thinking("Blue.", "Yes.")) as at:
        items: list[Any] = [{"role": "user", "content": QUESTION}]
        asked = await at.client.responses.create(model=MODEL, input=items, tools=[LOOK], store=False)
        items += asked.output
        call = asked.output[-1]
        assert isinstance(call, ResponseFunctionToolCall)
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": "blue"})
        told = await at.client.responses.create(model=MODEL, input=items, tools=[LOOK], store=False)
        assert told.output_text == "Yes."
        assert len(at.gateway.store) == 0
        by_items = at.gateway.prompt(1)
    async with served(calling("I look.", "look", '{"at":"sea"}'), thinking("Blue.", "Yes.")) as at:
        asked = await at.client.responses.create(model=MODEL, input=QUESTION, tools=[LOOK])
        call = asked.output[-1]
        assert isinstance(call, ResponseFunctionToolCall)
        output: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "blue"}]
        await at.client.responses.create(
            model=MODEL, input=output, tools=[LOOK], previous_response_id=asked.id
        )
        assert at.gateway.prompt(1) == by_items


class Colour(BaseModel):
    colour: str
    depth: int


async def test_structured_output() -> None:
    async with served(thinking("Hm.", '{"colour":"blue","depth":7}')) as at:
        parsed = await at.client.responses.parse(model=MODEL, input=QUESTION, text_format=Colour)
        assert parsed.output_parsed == Colour(colour="blue", depth=7)
        assert "# Response Formats" in at.gateway.prompt(0)
        assert at.gateway.link.requests[0].grammar is not None


@pytest.mark.parametrize(
    ("fields", "is_held"),
    [
        ({"tools": [LOOK]}, False),
        ({"tools": [LOOK], "tool_choice": "required"}, True),
        ({"tools": [LOOK], "tool_choice": {"type": "function", "name": "look"}}, True),
        ({"tools": [{**LOOK, "strict": True}]}, True),
        ({"tools": [LOOK], "text": {"format": {"type": "json_object"}}}, True),
    ],
)
async def test_what_is_promised_is_held_by_a_grammar(fields: dict[str, Any], is_held: bool) -> None:
    async with served() as at:
        await at.client.responses.create(model=MODEL, input=QUESTION, **fields)
        assert (at.gateway.link.requests[0].grammar is not None) is is_held


async def test_log_probabilities_of_the_text_alone() -> None:
    async with served() as at:
        response = await at.client.responses.create(
            model=MODEL, input=QUESTION, top_logprobs=2, include=["message.output_text.logprobs"]
        )
        part: Any = response.output[-1].model_dump()["content"][0]
        assert [each["token"] for each in part["logprobs"]] == ["Y", "e", "s", "."]
        assert [len(each["top_logprobs"]) for each in part["logprobs"]] == [2, 2, 2, 2]


async def test_cut_by_max_output_tokens() -> None:
    async with served() as at:
        response = await at.client.responses.create(model=MODEL, input=QUESTION, max_output_tokens=12)
        assert response.status == "incomplete"
        assert response.incomplete_details is not None
        assert response.incomplete_details.reason == "max_output_tokens"
        stream = await at.client.responses.create(
            model=MODEL, input=QUESTION, max_output_tokens=12, stream=True
        )
        assert (await gathered(stream))[-1].type == "response.incomplete"


async def test_every_field_on_the_wire_is_the_clients() -> None:
    async with served(calling("I look.", "look", '{"at":"sea"}')) as at:
        raw = await at.client.responses.with_raw_response.create(model=MODEL, input=QUESTION, tools=[LOOK])
        checked_response(json.loads(raw.text))
