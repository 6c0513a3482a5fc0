"""Whatever JSON is sent is read, or refused about a field and in words; nothing else happens."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.http_face.responses.body import ResponseBody, read_response_body, response_request
from gateway.responses.items import ItemReference
from protos.errors import InvalidRequestError
from tests.gateway.responses.response_cases import CountedIds

WORDS = st.sampled_from(
    [
        *("message", "reasoning", "function_call", "function_call_output", "item_reference", "function"),
        *("input_text", "output_text", "refusal", "input_image", "reasoning_text", "summary_text"),
        *("user", "assistant", "system", "developer", "auto", "required", "none", "allowed_tools"),
        *("json_schema", "json_object", "text", "high", "completed", "call_1", "look", "", "a\u2028\0"),
    ]
)
KEYS = st.sampled_from(
    [
        *ResponseBody.model_fields,
        *("type", "role", "content", "id", "call_id", "name", "arguments", "output", "summary", "tools"),
        *("format", "schema", "strict", "effort", "mode", "parameters", "status", "phase", "mystery"),
    ]
)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats() | WORDS | st.text(max_size=9)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
ITEM = st.fixed_dictionaries(
    {"type": WORDS},
    optional=dict.fromkeys(
        ("role", "content", "call_id", "name", "arguments", "output", "summary", "id"), JSON
    ),
)
BODY = st.fixed_dictionaries(
    {"model": st.just("tiny"), "input": st.lists(ITEM, max_size=3) | JSON},
    optional={name: JSON for name in ResponseBody.model_fields if name not in ("model", "input")},
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BODY | st.dictionaries(KEYS, JSON, max_size=6))
def test_it_is_read_or_refused(sent: dict[str, Any]) -> None:
    refusal: str | None = None
    try:
        wanted = response_request(read_response_body(sent), CountedIds())
        items = tuple(item for item in wanted.input if not isinstance(item, ItemReference))
        assert wanted.chat_request(items).turns
    except InvalidRequestError as error:
        refusal = str(error)
    assert refusal is None or 0 < len(refusal) < 2000
