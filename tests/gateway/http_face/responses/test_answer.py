"""A response as JSON: every field that clients expect, held to the official client's types."""

from dataclasses import replace

import pytest

from gateway.chat.chat_request import ToolChoice, ToolUse
from gateway.harmony.settings import FunctionTool, ReasoningEffort
from gateway.http_face.responses.answer import item_json, response_json
from gateway.http_face.token_names import TokenNames
from gateway.responses.items import CallOutputItem, Item, MessageItem, ReasoningItem, Speaker
from gateway.responses.response import FailureCode, Response, ResponseFailure, ResponseStatus
from gateway.responses.response_request import (
    FormatKind,
    Labels,
    TextFormat,
    ToolSelection,
)
from gateway.served_model import ServedModel
from model.sampling.parameters import SamplingParameters
from model.tokenizer import Tokenizer
from tests.gateway.http_face.responses.official import checked_items, checked_response
from tests.gateway.responses.response_cases import NOW, USAGE, request, response, user

SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}


@pytest.fixture
def names(tokenizer: Tokenizer) -> TokenNames:
    return TokenNames(ServedModel("tiny", tokenizer, 4096, created=0))


def test_what_was_asked_for_stands_in_the_answer(names: TokenNames) -> None:
    wanted = request(
        instructions="Be brief.",
        previous_response_id="resp_before",
        tools=(FunctionTool("look", "Looks.", SCHEMA, is_strict=True),),
        tool_selection=ToolSelection(ToolChoice(ToolUse.REQUIRED, "look")),
        parallel_tool_calls=False,
        text_format=TextFormat(FormatKind.JSON_SCHEMA, "colour", SCHEMA, "A colour.", is_strict=True),
        effort=ReasoningEffort.HIGH,
        sampling=SamplingParameters(temperature=0.25, top_p=0.75, logprobs=3),
        max_output_tokens=99,
        is_background=True,
        labels=Labels({"a": "b"}, "u", "s", "p", 7, "auto"),
    )
    document = response_json(Response("resp_1", wanted, NOW, ResponseStatus.QUEUED), names)
    checked_response(document)
    assert document == {
        "id": "resp_1",
        "object": "response",
        "created_at": NOW,
        "completed_at": None,
        "status": "queued",
        "background": True,
        "error": None,
        "incomplete_details": None,
        "instructions": "Be brief.",
        "max_output_tokens": 99,
        "max_tool_calls": 7,
        "model": "tiny",
        "output": [],
        "parallel_tool_calls": False,
        "previous_response_id": "resp_before",
        "prompt_cache_key": "p",
        "reasoning": {"effort": "high", "summary": "auto"},
        "safety_identifier": "s",
        "service_tier": "default",
        "store": True,
        "temperature": 0.25,
        "text": {
            "format": {
                "type": "json_schema",
                "name": "colour",
                "description": "A colour.",
                "schema": SCHEMA,
                "strict": True,
            },
            "verbosity": "medium",
        },
        "tool_choice": {"type": "function", "name": "look"},
        "tools": [
            {
                "type": "function",
                "name": "look",
                "description": "Looks.",
                "parameters": SCHEMA,
                "strict": True,
            }
        ],
        "top_logprobs": 3,
        "top_p": 0.75,
        "truncation": "disabled",
        "usage": None,
        "user": "u",
        "metadata": {"a": "b"},
    }


def test_the_end_says_what_it_cost_and_when_it_was(names: TokenNames) -> None:
    done = replace(response("resp_1", ResponseStatus.COMPLETED), usage=USAGE, ended_at=NOW + 3)
    document = response_json(done, names)
    assert checked_response(document).completed_at == NOW + 3
    assert document["usage"] == {
        "input_tokens": 17,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 11,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 28,
    }


def test_how_it_can_go_wrong(names: TokenNames) -> None:
    cut = checked_response(response_json(response("r", ResponseStatus.INCOMPLETE), names))
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"
    failure = ResponseFailure(FailureCode.SERVER_ERROR, "It broke.")
    broken = response_json(replace(response("r", ResponseStatus.FAILED), failure=failure), names)
    assert checked_response(broken).status == "failed"
    assert broken["error"] == {"code": "server_error", "message": "It broke."}
    assert broken["incomplete_details"] is None


@pytest.mark.parametrize(
    ("selection", "written"),
    [
        (ToolSelection(), "auto"),
        (ToolSelection(ToolChoice(ToolUse.NONE)), "none"),
        (ToolSelection(ToolChoice(ToolUse.REQUIRED)), "required"),
        (
            ToolSelection(ToolChoice(ToolUse.AUTO), ("look",)),
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "look"}]},
        ),
    ],
)
def test_choices_of_tools(names: TokenNames, selection: ToolSelection, written: object) -> None:
    tools = (FunctionTool("look"),)
    document = response_json(
        replace(response(), request=request(tools=tools, tool_selection=selection)), names
    )
    checked_response(document)
    assert document["tool_choice"] == written


def test_items_that_a_client_has_sent(names: TokenNames) -> None:
    items: list[Item] = [
        user("msg_1", "Is the sea blue?"),
        MessageItem("msg_2", Speaker.ASSISTANT, ("Yes.",)),
        ReasoningItem("rs_1", ""),
        CallOutputItem("fco_1", "call_1", "blue"),
    ]
    documents = [item_json(item, names) for item in items]
    ends = {"first_id": "msg_1", "last_id": "fco_1", "has_more": False}
    checked_items({"object": "list", "data": documents, **ends})
    assert [document["content"] for document in documents[:3]] == [
        [{"type": "input_text", "text": "Is the sea blue?"}],
        [{"type": "output_text", "text": "Yes.", "annotations": [], "logprobs": []}],
        [],
    ]
    assert documents[3] == {
        "id": "fco_1",
        "type": "function_call_output",
        "status": "completed",
        "call_id": "call_1",
        "output": "blue",
    }
