"""The part of docs/api-http.md: every endpoint and every body, from the OpenAPI document of a gateway."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.docs.markdown import table
from tools.docs.openapi_here import openapi_here
from tools.docs.schema_words import Schema, may_be_null, title_of, words_of


def http_reference(_: Path) -> str:
    document: dict[str, Any] = json.loads(json.dumps(asyncio.run(openapi_here())))
    endpoints = [
        part
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for part in _endpoint(f"{method.upper()} {path}", operation)
    ]
    schemas: Mapping[str, Schema] = document["components"]["schemas"]
    bodies = [part for name, schema in schemas.items() for part in _body(name, schema)]
    return "\n\n".join(["## Endpoints", *endpoints, "## Bodies", *bodies])


def _endpoint(name: str, operation: Schema) -> Iterator[str]:
    yield f"### {name}"
    yield f"{operation['summary']}."
    answer = operation["responses"]["200"]["content"]
    said = []
    if "requestBody" in operation:
        said.append(f"Body: {_of_json(operation['requestBody']['content'])}.")
    streamed = ", or, streamed, events" if "text/event-stream" in answer else ""
    yield " ".join([*said, f"Answer: {_of_json(answer)}{streamed}."])
    if parameters := operation.get("parameters"):
        rows = [
            (f"`{each['name']}`", each["in"], words_of(each["schema"]), each.get("description", ""))
            for each in parameters
        ]
        yield table(("parameter", "in", "type", ""), rows)
    others = {status: each for status, each in operation["responses"].items() if status != "200"}
    failures = [(status, each["description"]) for status, each in others.items()]
    yield table(("status", "when"), failures)


def _of_json(content: Schema) -> str:
    schema = content["application/json"]["schema"]
    return words_of(schema) if schema else "JSON"


def _body(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {title_of(name)}"
    if "description" in schema:
        yield schema["description"]
    required = schema.get("required", ())
    rows = [
        (f"`{field}`", words_of(each), _presence(each, field in required), each.get("description", ""))
        for field, each in schema.get("properties", {}).items()
    ]
    yield table(("field", "type", "", ""), rows)


def _presence(schema: Schema, is_required: bool) -> str:
    if is_required:
        return "there, or null" if may_be_null(schema) else "there"
    default = schema.get("default")
    return "may be left out" if default is None else f"`{json.dumps(default)}` if left out"
