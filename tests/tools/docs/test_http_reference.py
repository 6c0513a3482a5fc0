"""docs/api-http.md holds every endpoint, field, status and header; the models themselves are asked."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.http_face.body_model import BodyModel
from gateway.http_face.chat.body import ChatBody
from gateway.http_face.classify.body import ClassifyBody
from gateway.http_face.completions.body import CompletionBody
from gateway.http_face.openapi import ErrorAnswerBody
from gateway.http_face.responses.body import ResponseBody
from tests.tools.docs.test_grpc_reference import first_cells
from tools.docs.openapi_here import openapi_here
from tools.docs.schema_words import Schema, title_of, words_of

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/api-http.md").read_text()
HEADER = re.compile(r'"(x-[a-z-]+|idempotency-key|retry-after|allow|cache-control|content-type|expect)"')


def section(heading: str) -> str:
    (found,) = re.findall(rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.parametrize("body", [ChatBody, CompletionBody, ClassifyBody, ResponseBody, ErrorAnswerBody])
def test_every_field_of_a_body_is_there(body: type[BaseModel]) -> None:
    fields = [field.alias or name for name, field in body.model_fields.items()]
    assert first_cells(section(body.__name__)) == fields


def test_every_body_that_is_read_is_there() -> None:
    """Those of parts of bodies too."""
    kinds: list[type[BodyModel]] = [BodyModel]
    while kinds:
        kind = kinds.pop()
        below = kind.__subclasses__()
        kinds += below
        if not below and kind.__module__.startswith("gateway."):
            assert re.search(rf"^### {kind.__name__}( of \w+)?$", PAGE, re.MULTILINE), kind


def test_every_endpoint_is_there_with_its_statuses() -> None:
    document: Any = asyncio.run(openapi_here())
    headings = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            headings.append(f"{method.upper()} {path}")
            statuses = re.findall(r"^\| (\d+) \|", section(headings[-1]), re.MULTILINE)
            assert statuses == [status for status in operation["responses"] if status != "200"]
    assert re.findall(r"^### ((?:GET|PUT|POST|DELETE) .+)$", PAGE, re.MULTILINE) == headings
    assert "POST /v1/responses/{response_id}/cancel" in headings


def test_every_header_is_there() -> None:
    sources = [*(ROOT / "gateway/http_face").rglob("*.py"), ROOT / "gateway/idempotency_key.py"]
    used = {name for source in sources for name in HEADER.findall(source.read_text())}
    assert len(used) > 8
    assert [name for name in sorted(used) if f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "anything"),
        ({"type": "string", "minLength": 1, "maxLength": 1024}, "string, length from 1, length to 1,024"),
        ({"type": "integer", "minimum": 0, "exclusiveMaximum": 1 << 31}, "integer, from 0, below 2^31"),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "boolean"),
        ({"type": "array", "items": {"$ref": "#/a/Tool"}, "maxItems": 5}, "list of [Tool](#tool), 5 at most"),
        ({"oneOf": [{"enum": ["a", "b"]}, {"const": "c"}]}, "`a` or `b` or `c`"),
        ({"type": "object", "additionalProperties": {"minimum": -0.5}}, "object of anything, from -0.5"),
    ],
)
def test_a_schema_in_words(schema: Schema, words: str) -> None:
    assert words_of(schema) == words


def test_two_models_of_one_name_are_told_apart() -> None:
    assert title_of("gateway__http_face__chat__messages__TextPart") == "TextPart of chat"
    assert title_of("TextPart") == "TextPart"
