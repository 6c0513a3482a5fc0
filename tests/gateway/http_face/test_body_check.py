"""The words that are said of a field, and the field that they name."""

from typing import Any

import pytest

from gateway.http_face.body_check import check_body
from gateway.http_face.chat.body import ChatBody
from gateway.http_face.completions.body import CompletionBody
from protos.errors import InvalidRequestError

USER = {"role": "user", "content": "Hi"}
CHAT: dict[str, Any] = {"model": "tiny", "messages": [USER]}
TOOL = {"type": "function", "function": {"name": "f"}}

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"model": None}, "model", "model is null; it must be a valid string"),
    ({"messages": []}, "messages", "messages has the length 0; it must be 1 at least"),
    ({"messages": {}}, "messages", "messages is an object; it must be a valid list"),
    ({"messages": [3]}, "messages[0]", r"messages\[0\] is 3; it must be an object"),
    ({"messages": [USER, {"content": "x"}]}, "messages[1].role", "is missing; it must be one of 'system'"),
    ({"messages": [{"role": "bot"}]}, "messages[0].role", "is \"bot\"; it must be one of 'system'"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", r"messages\[0\]\.content is missing"),
    ({"messages": [{**USER, "content": None}]}, "messages[0].content", "a string, an array or an object"),
    (
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        "messages[0].content[0].text",
        "is missing",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "smell"}]}]},
        "messages[0].content[0].type",
        "is \"smell\"; it must be",
    ),
    ({"messages": [{**USER, "contents": 1}]}, "messages[0].contents", "did you mean content?"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id", "is missing"),
    ({"temprature": 1}, "temprature", "the field temprature is unknown; did you mean temperature?"),
    ({"max_output_tokens": 1}, "max_output_tokens", "did you mean max_completion_tokens?|max_tokens"),
    ({"stream_options": {"usage": True}}, "stream_options.usage", "known here are include_obfusc"),
    ({"xyzzy": 1}, "xyzzy", "known here are audio, "),
    ({"temperature": "hot"}, "temperature", 'temperature is "hot"; it must be a valid number'),
    ({"temperature": True}, "temperature", "temperature is true; it must be a valid number"),
    ({"temperature": 2.5}, "temperature", "temperature is 2.5; it must be less than or equal to 2"),
    ({"temperature": 10**400}, "temperature", "it must be"),
    ({"n": 1.5}, "n", "n is 1.5; it must be a valid integer"),
    ({"n": 129}, "n", "less than or equal to 128"),
    ({"seed": 1 << 63}, "seed", "it must be less than 9223372036854775808"),
    ({"seed": 10**100}, "seed", "it must be"),
    ({"stop": ["a"] * 17}, "stop", "stop has the length 17; at most 16 is taken"),
    ({"stop": ["a", 3]}, "stop[1]", "it must be a valid string"),
    ({"stop": ""}, "stop", "it must be 1 at least|at least 1"),
    ({"logit_bias": {"1": "x"}}, "logit_bias.1", "it must be a valid number"),
    ({"stream": "yes"}, "stream", "it must be a valid boolean"),
    ({"tools": [TOOL] * 513}, "tools", "at most 512 is taken"),
    ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].type", "it must be 'function'"),
    ({"tools": [{**TOOL, "function": {"name": "a b"}}]}, "tools[0].function.name", "match pattern"),
    ({"tool_choice": "any"}, "tool_choice", "must be 'none', 'auto' or 'required'"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.function", "is missing"),
    ({"response_format": {"type": "yaml"}}, "response_format.type", "one of 'text', 'json_object', 'json_s"),
    ({"reasoning_effort": "minimal"}, "reasoning_effort", "must be 'low', 'medium' or 'high'"),
    ({"user": "a" * 10_000, "model": 3}, "model", "model is 3"),
    ({"audio": {"voice": "x"}}, "audio", "audio is not served here: gpt-oss writes text alone"),
    ({"modalities": ["text", "audio"]}, "modalities", "modalities is not served here"),
    ({"functions": [{}]}, "functions", "it is out of use; send tools"),
    ({"reasoning": {"summary": "detailed"}}, "reasoning.summary", "reasoning.summary is not served here"),
    (
        {"messages": [{"role": "assistant", "content": "x", "audio": {"id": "1"}}]},
        "messages[0].audio",
        "gpt-oss reads and writes text alone",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "field", "words"), REFUSED, ids=lambda part: str(part)[:40])
def test_it_names_the_field_and_says_what_it_should_be(
    change: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words) as caught:
        check_body(ChatBody, {**CHAT, **change})
    assert caught.value.field == field
    assert len(str(caught.value)) < 900


@pytest.mark.parametrize(
    ("prompt", "field"),
    [
        (3, "prompt"),
        ([], "prompt"),
        ("", "prompt"),
        ([1, "a"], "prompt[1]"),
        (["a", 1], "prompt[1]"),
        ([[1], []], "prompt[1]"),
        ([[1], [2, True]], "prompt[1][1]"),
        ([-1], "prompt[0]"),
        ([1.0], "prompt"),
        (["x"] * 5 + [{}] * 200_000, "prompt[5]"),
    ],
    ids=lambda part: str(part)[:40],
)
def test_prompts_are_of_one_kind(prompt: object, field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_body(CompletionBody, {"model": "tiny", "prompt": prompt})
    assert (caught.value.field or "").startswith(field)


@pytest.mark.parametrize(
    "harmless",
    [
        {"audio": None},
        {"modalities": ["text"]},
        {"functions": []},
        {"verbosity": "medium"},
        {"store": True, "metadata": {"a": "b"}, "user": "u", "service_tier": "auto", "prediction": {"x": 1}},
        {
            "messages": [
                {"role": "assistant", "content": "", "audio": None, "annotations": [], "refusal": None}
            ]
        },
    ],
    ids=str,
)
def test_what_asks_for_nothing_is_taken(harmless: dict[str, Any]) -> None:
    assert check_body(ChatBody, {**CHAT, **harmless}).model == "tiny"
