"""What the OpenAPI document says of responses, and answers that no official client would draw out."""

import json
from typing import Any

import pytest

from gateway.http_face.openapi import openapi_document
from gateway.http_face.responses.endpoints import response_endpoints
from tests.gateway.http_face.wire import ask
from tests.gateway.responses.served import running, served


async def test_the_document_has_every_path_query_and_body() -> None:
    async with running() as gateway:
        document: Any = openapi_document(response_endpoints(gateway.responses, gateway.inference.model))
    assert {path: set(methods) for path, methods in document["paths"].items()} == {
        "/v1/responses": {"post"},
        "/v1/responses/{response_id}": {"get", "delete"},
        "/v1/responses/{response_id}/cancel": {"post"},
        "/v1/responses/{response_id}/input_items": {"get"},
    }
    reading = document["paths"]["/v1/responses/{response_id}"]["get"]
    assert {each["name"]: each["in"] for each in reading["parameters"]} == {
        "response_id": "path",
        "stream": "query",
        "starting_after": "query",
        "include": "query",
        "include_obfuscation": "query",
    }
    body = document["components"]["schemas"]["ResponseBody"]["properties"]
    assert body["truncation"]["enum"] == [None, "disabled"]
    assert body["user"]["description"].startswith("Ignored")


@pytest.mark.parametrize(
    ("method", "path", "status", "about"),
    [
        ("GET", "/v1/responses/resp_9?steam=true", 400, "steam"),
        ("GET", "/v1/responses/resp_9?starting_after=3", 400, "starting_after"),
        ("GET", "/v1/responses/resp_9?stream=true&starting_after=x", 400, "starting_after"),
        ("GET", "/v1/responses/resp_9?stream=true", 404, "response_id"),
        ("GET", "/v1/responses/resp_9/input_items?limit=3", 404, "response_id"),
        ("GET", "/v1/responses/resp_9/input_items?stream=true", 400, "stream"),
        ("GET", "/v1/responses/%00/input_items", 404, "response_id"),
        ("PUT", "/v1/responses/resp_9", 405, None),
        ("GET", "/v1/responses", 405, None),
    ],
)
async def test_what_is_wrong_is_said(method: str, path: str, status: int, about: str | None) -> None:
    async with served() as at:
        port = int(at.face.address.rpartition(":")[2])
        answer = await ask(port, method, path)
        assert (answer.status, answer.error["param"]) == (status, about), json.loads(answer.body)
