"""Inputs for `fuzz`: bodies, JSON and HTTP that are nearly right; the same seed makes the same ones."""

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tests.gateway.http_face.wire import raw_request

CHAT, COMPLETIONS, CLASSIFY, RESPONSES = PATHS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/classify",
    "/v1/responses",
)
SEEDS: list[dict[str, Any]] = [
    {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": [{"type": "text", "text": "How cold is it?"}]},
            {
                "role": "assistant",
                "content": None,
                "reasoning": "Hm.",
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "7"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": "auto",
        "stream": True,
        "stream_options": {"include_usage": True},
        "logprobs": True,
        "top_logprobs": 2,
        "n": 2,
        "stop": ["x", "yy"],
        "logit_bias": {"5": -1.5},
        "reasoning": {"effort": "low", "max_tokens": 5},
    },
    {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Hi"}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": "object"}},
        },
        "temperature": 0.5,
        "seed": 7,
    },
    {"model": "tiny", "prompt": ["One", "Two"], "n": 2, "echo": True, "logprobs": 1, "max_tokens": 4},
    {"model": "tiny", "input": ["A", "B"], "policy": "No B.", "labels": ["yes", "no"], "rationale": True},
    {"model": "tiny", "prompt": [1, 2, 3], "stream": True, "max_tokens": 9, "top_p": 0.9, "min_p": 0.1},
    {
        "model": "tiny",
        "instructions": "Be short.",
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "How cold is it?"}],
            },
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
            {"type": "message", "role": "assistant", "content": "I look.", "phase": "commentary"},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "7"},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "f"}],
        },
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
        "reasoning": {"effort": "low"},
        "metadata": {"a": "b"},
        "stream": True,
    },
    {
        "model": "tiny",
        "input": "Hi",
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
        "max_output_tokens": 4,
        "store": False,
    },
    {"model": "tiny", "input": "Hi", "background": True, "temperature": 0.5, "user": "u"},
    {"model": "tiny", "input": "Hi", "previous_response_id": "resp_1", "stream": True},
]
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.5, -0.0, 1e308, 5e-324),
    *("", "a", "\x00", "é", "\U0001f600", "\ud800", "<|start|>", "<|return|>", "x" * 3000),
    *([], {}, [[]], [None], {"": None}, {"type": "text"}, ["a"] * 50, list(range(300))),
    *({"type": "function", "function": {"name": "f"}}, "tiny", "user", "assistant"),
]
NEW_KEYS = ("stream", "n", "zz", "type", "role", "content", "prompt", "background", "store", "id")
BROKEN_JSON = (b"NaN", b"1e999", b'"a":', b"[" * 300, b"\\ud800", b"9" * 5000)
METHODS = ("POST", "POST", "POST", "GET", "HEAD", "PUT", "DELETE", "BREW", "OPTIONS")
ADDRESSES = (
    *PATHS,
    *("/v1/policies/a", "/v1/policies/a/1", "/v1/models/tiny", "/v1/models/%ff", "/openapi.json"),
    *(
        "/v1/responses/resp_1",
        "/v1/responses/resp_1/cancel",
        "/v1/responses/resp_1?stream=true&starting_after=2",
    ),
    *("/v1/responses/resp_1/input_items?limit=3&after=x", "/v1/responses/%ff/input_items?order=up"),
    *("*", "/v1/%2e%2e", "//", "/?x=%"),
)
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"content-type": "text/plain"},
    {"x-request-id": "\x7f"},
    {"idempotency-key": "k" * 300},
    {"expect": "x"},
    {"transfer-encoding": "chunked"},
    {"connection": "close"},
    {"connection": "upgrade", "upgrade": "h2c"},
)


def fuzzed_inputs(chance: random.Random, num_inputs: int) -> Iterator[bytes]:
    """What is to be sent, each on a connection of its own."""
    kinds = (_with_fuzzed_body, _with_fuzzed_body, _with_fuzzed_text, fuzzed_request)
    for _ in range(num_inputs):
        yield chance.choice(kinds)(chance)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something can be changed in a body."""
    found = [path] if path else []
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        found += places(child, (*path, key))
    return found


def mutated(chance: random.Random) -> dict[str, Any]:
    """One of the bodies above with some things changed, added or left out."""
    body: dict[str, Any] = deepcopy(chance.choice(SEEDS))
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3, 5))):
        *path, last = chance.choice(places(body))
        parent: Any = body
        for key in path:
            parent = parent[key]
        match chance.randrange(4):
            case 0 if isinstance(parent, dict) and len(parent) > 1:
                del parent[last]
            case 1 if isinstance(parent, dict):
                parent[chance.choice(NEW_KEYS)] = deepcopy(chance.choice(ODD))
            case 2:
                other = chance.choice(SEEDS)
                parent[last] = deepcopy(other[chance.choice(sorted(other))])
            case _:
                parent[last] = deepcopy(chance.choice(ODD))
    return body


def fuzzed_text(chance: random.Random) -> bytes:
    """JSON with bytes changed: most of it is none any more."""
    data = bytearray(json.dumps(mutated(chance)).encode())
    for _ in range(chance.randrange(1, 6)):
        position = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                del data[position : position + chance.randrange(20)]
            case 1:
                data[position:position] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 8)))
            case 2:
                data[position:position] = chance.choice(
                    (b"NaN", b"1e999", b'"a":', b"[" * 300, b"\\ud800", b"9" * 5000)
                )
            case _:
                del data[position:]
    return bytes(data)


def fuzzed_request(chance: random.Random) -> bytes:
    """Bytes that are nearly HTTP."""
    method, path, headers = chance.choice(METHODS), chance.choice(ADDRESSES), chance.choice(HEADERS)
    data = bytearray(raw_request(method, path, mutated(chance), headers))
    for _ in range(chance.randrange(3)):
        position = chance.randrange(min(len(data), 200))
        data[position : position + chance.randrange(4)] = bytes(chance.randrange(256) for _ in range(2))
    return bytes(data)


def _with_fuzzed_body(chance: random.Random) -> bytes:
    body = mutated(chance)
    return raw_request("POST", _fit_path(body, chance), body)


def _fit_path(body: dict[str, Any], chance: random.Random) -> str:
    """Mostly where such a body belongs."""
    key_to_path = {
        "messages": CHAT,
        "prompt": COMPLETIONS,
        "policy": CLASSIFY,
        "labels": CLASSIFY,
        "input": RESPONSES,
    }
    fit = [path for key, path in key_to_path.items() if key in body]
    return fit[0] if fit and chance.random() < 0.8 else chance.choice(PATHS)


def _with_fuzzed_text(chance: random.Random) -> bytes:
    return raw_request("POST", chance.choice(PATHS), fuzzed_text(chance))
