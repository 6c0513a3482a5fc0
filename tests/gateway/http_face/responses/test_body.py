"""What may be sent, what it means, and in which words the rest is refused."""

from typing import Any

import pytest

from gateway.chat.chat_request import ToolChoice, ToolUse
from gateway.harmony.settings import FunctionTool, ReasoningEffort
from gateway.http_face.body_model import Ignored, Refused, marked_fields
from gateway.http_face.responses.body import ResponseBody, read_response_body, response_request
from gateway.responses.items import (
    CallItem,
    CallOutputItem,
    ItemReference,
    ItemStatus,
    MessageItem,
    Phase,
    ReasoningItem,
    Speaker,
)
from gateway.responses.response_request import (
    FormatKind,
    Labels,
    ResponseRequest,
    TextFormat,
    ToolSelection,
)
from model.sampling.parameters import SamplingParameters
from protos.errors import InvalidRequestError
from tests.gateway.responses.response_cases import CountedIds

SCHEMA = {"type": "object"}
LOOK = {"type": "function", "name": "look", "parameters": SCHEMA}
CALL = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}


def read(**fields: object) -> ResponseRequest:
    return response_request(read_response_body({"model": "tiny", "input": "?", **fields}), CountedIds())


def refusal(**fields: object) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        read(**fields)
    return caught.value


def test_a_text_is_what_the_user_says() -> None:
    wanted = read(input="Is the sea blue?")
    assert wanted == ResponseRequest("tiny", (MessageItem("msg_0", Speaker.USER, ("Is the sea blue?",)),))
    assert wanted.sampling == SamplingParameters()
    assert (wanted.is_stored, wanted.is_background, wanted.effort) == (True, False, ReasoningEffort.MEDIUM)


def test_every_kind_of_item() -> None:
    reasoning = [{"type": "reasoning_text", "text": "a"}, {"type": "reasoning_text", "text": "b"}]
    summary = [{"type": "summary_text", "text": "s"}]
    wanted = read(
        input=[
            {"role": "system", "content": "Be brief."},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Q"}] * 2},
            {"type": "reasoning", "id": "rs_9", "summary": summary, "content": reasoning},
            {"type": "reasoning", "id": "rs_9", "summary": summary, "encrypted_content": "xyz"},
            {**CALL, "id": "fc_9", "status": "incomplete"},
            {"type": "function_call_output", "call_id": "call_1", "output": "blue"},
            {
                "type": "function_call_output",
                "call_id": "call_2",
                "output": [{"type": "input_text", "text": "bl"}, {"type": "input_text", "text": "ue"}],
            },
            {
                "type": "message",
                "id": "msg_9",
                "role": "assistant",
                "status": "completed",
                "phase": "commentary",
                "content": [
                    {"type": "output_text", "text": "A", "annotations": [], "logprobs": []},
                    {"type": "refusal", "refusal": "No."},
                ],
            },
            {"type": "item_reference", "id": "msg_kept"},
            {"id": "msg_kept"},
        ]
    )
    assert wanted.input == (
        MessageItem("msg_0", Speaker.SYSTEM, ("Be brief.",)),
        MessageItem("msg_1", Speaker.USER, ("Q", "Q")),
        ReasoningItem("rs_0", "a\nb"),
        ReasoningItem("rs_1", "s"),
        CallItem("fc_0", "call_1", "look", "{}", ItemStatus.INCOMPLETE),
        CallOutputItem("fco_0", "call_1", "blue"),
        CallOutputItem("fco_1", "call_2", "blue"),
        MessageItem("msg_2", Speaker.ASSISTANT, ("A", "No."), Phase.COMMENTARY),
        ItemReference("msg_kept"),
        ItemReference("msg_kept"),
    )


def test_every_field_that_is_obeyed() -> None:
    wanted = read(
        instructions="Be brief.",
        previous_response_id="resp_1",
        tools=[{**LOOK, "description": "Looks.", "strict": True}, {"type": "function", "name": "smell"}],
        tool_choice={"type": "function", "name": "look"},
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "colour", "schema": SCHEMA, "strict": True}},
        reasoning={"effort": "low", "summary": "auto"},
        max_output_tokens=7,
        temperature=0.5,
        top_p=0.25,
        top_logprobs=4,
        store=True,
        background=True,
        metadata={"a": "b"},
        user="u",
        safety_identifier="s",
        prompt_cache_key="p",
        max_tool_calls=3,
    )
    assert wanted == ResponseRequest(
        "tiny",
        (MessageItem("msg_0", Speaker.USER, ("?",)),),
        "Be brief.",
        "resp_1",
        (
            FunctionTool("look", "Looks.", SCHEMA, is_strict=True),
            FunctionTool("smell"),
        ),
        ToolSelection(ToolChoice(ToolUse.REQUIRED, "look")),
        parallel_tool_calls=False,
        text_format=TextFormat(FormatKind.JSON_SCHEMA, "colour", SCHEMA, None, is_strict=True),
        effort=ReasoningEffort.LOW,
        sampling=SamplingParameters(temperature=0.5, top_p=0.25, logprobs=4),
        max_output_tokens=7,
        is_background=True,
        labels=Labels({"a": "b"}, "u", "s", "p", 3, "auto"),
    )


@pytest.mark.parametrize(
    ("choice", "selection"),
    [
        ("none", ToolSelection(ToolChoice(ToolUse.NONE))),
        ("required", ToolSelection(ToolChoice(ToolUse.REQUIRED))),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"}]},
            ToolSelection(ToolChoice(ToolUse.REQUIRED), ("look",)),
        ),
    ],
)
def test_choices_of_tools(choice: object, selection: ToolSelection) -> None:
    assert read(tools=[LOOK], tool_choice=choice).tool_selection == selection


def test_only_tools_that_are_allowed_are_told_to_the_model() -> None:
    other = {"type": "function", "name": "smell"}
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "smell"}]}
    wanted = read(tools=[LOOK, other], tool_choice=choice)
    chat = wanted.chat_request((MessageItem("m", Speaker.USER, ("?",)),))
    assert [tool.name for tool in chat.tools] == ["smell"]
    assert len(wanted.tools) == 2


@pytest.mark.parametrize(
    ("fields", "logprobs"),
    [
        ({}, None),
        ({"top_logprobs": 0}, None),
        ({"top_logprobs": 2}, 2),
        ({"include": ["message.output_text.logprobs"]}, 0),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": 5}, 5),
        ({"include": ["reasoning.encrypted_content"]}, None),
    ],
)
def test_log_probabilities(fields: dict[str, object], logprobs: int | None) -> None:
    assert read(**fields).sampling.logprobs == logprobs


@pytest.mark.parametrize(
    ("fields", "about", "words"),
    [
        ({"tools": [LOOK, {"type": "web_search"}]}, "tools[1].type", "would run at the server; none does"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice", "'file_search'; it may be function or"),
        ({"input": [{"type": "computer_call"}]}, "input[0].type", "'computer_call'; items may be message,"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
            "input[0].content[0].type",
            "'input_image'; this model reads text alone",
        ),
        (
            {"input": [{"type": "reasoning", "summary": [], "encrypted_content": "xyz"}]},
            "input",
            "encrypted content alone",
        ),
        ({"input": []}, "input", "the input is empty"),
        ({"input": 7}, "input", "7; it must be"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", "must be 'user', 'assistant'"),
        ({"input": [{**CALL, "call_id": ""}]}, "input[0].call_id", "the length 0"),
        ({"input": [{**CALL, "caller": {"type": "program"}}]}, "input[0].caller", "by the model itself"),
        ({"model": 7}, "model", "must be a valid string"),
        ({"temprature": 1}, "temprature", "did you mean temperature?"),
        ({"tools": [{**LOOK, "paramters": {}}]}, "tools[0].paramters", "did you mean parameters?"),
        ({"tools": [{**LOOK, "defer_loading": True}]}, "tools[0].defer_loading", "declared at once"),
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"top_logprobs": 21}, "top_logprobs", "less than or equal to 20"),
        ({"max_output_tokens": 0}, "max_output_tokens", "greater than or equal to 1"),
        ({"reasoning": {"effort": "minimal"}}, "reasoning.effort", "'low', 'medium' or 'high'"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode", "is not served here"),
        ({"text": {"format": {"type": "yaml"}}}, "text.format.type", "'json_schema'"),
        ({"text": {"verbosity": "low"}}, "text.verbosity", "no such setting"),
        ({"truncation": "auto"}, "truncation", "what does not fit is an error"),
        ({"conversation": "conv_1"}, "conversation", "previous_response_id"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "send instructions and input"),
        ({"service_tier": "flex"}, "service_tier", "there is one tier"),
        ({"include": ["file_search_call.results"]}, "include[0]", "'message.output_text.logprobs'"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata", "the length 17; at most 16"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a", "the length 513; at most 512"),
        ({"background": True, "store": False}, "store", "must be stored"),
        (
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "mode": "auto",
                    "tools": [{"type": "function", "name": "x"}],
                }
            },
            "tool_choice",
            "'x' is allowed and not declared",
        ),
    ],
)
def test_what_is_refused_is_said_in_words(fields: dict[str, object], about: str, words: str) -> None:
    error = refusal(**fields)
    assert words in str(error)
    assert error.field == about


def test_what_asks_for_nothing_is_taken() -> None:
    """As clients send it that write out every default."""
    nothing: dict[str, object] = {
        "truncation": "disabled",
        "service_tier": "auto",
        "conversation": None,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "stream_options": {"include_obfuscation": False},
        "context_management": [],
        "tools": [],
        "tool_choice": "auto",
    }
    assert read(**nothing) == read()


@pytest.mark.parametrize("mark", [Ignored, Refused])
def test_the_documentation_names_what_is_not_obeyed(mark: Any) -> None:
    with open("docs/responses.md", encoding="utf-8") as page:
        text = page.read()
    word = "ignored" if mark is Ignored else "refused"
    for name in marked_fields(ResponseBody, mark):
        assert f"| `{name}` | {word}" in text, name
