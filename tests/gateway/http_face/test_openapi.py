"""The document that is served, against what is served."""

import asyncio
import json
import re
import time
from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from gateway.http_face.chat.body import ChatBody
from gateway.http_face.completions.body import CompletionBody
from gateway.http_face.endpoints import all_endpoints
from gateway.http_face.openapi import openapi_document, openapi_endpoint
from gateway.http_face.responses.body import ResponseBody
from gateway.http_face.responses.endpoints import response_endpoints
from gateway.responses.memory_store import MemoryStore
from gateway.responses.response_settings import ResponseSettings
from gateway.responses.responses import Responses
from model.tokenizer import Tokenizer
from tests.gateway.http_face.face_in_thread import FaceInThread
from tests.gateway.http_face.running_face import MODEL, inference_over, paper_policies, running_face
from tests.gateway.http_face.wire import ask
from tests.gateway.scripted_link import ScriptedLink

NUM_EXAMPLES = 100
"""Of each operation: about half a minute in all."""

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    unsupported_method,
)


@pytest.fixture(scope="module")
def document(tokenizer: Tokenizer) -> dict[str, Any]:
    inference = inference_over(ScriptedLink(tokenizer), tokenizer)
    kept = ResponseSettings()
    responses = Responses(inference, MemoryStore(kept, time.monotonic), kept)
    endpoints = (
        *all_endpoints(inference, paper_policies()),
        *response_endpoints(responses, inference.model),
    )
    return openapi_document((*endpoints, openapi_endpoint(endpoints)))


def test_it_is_what_is_served(document: dict[str, Any], tokenizer: Tokenizer) -> None:
    async def run() -> Any:
        async with running_face(tokenizer) as running:
            return (await ask(running.port, "GET", "/openapi.json")).document

    assert asyncio.run(run()) == json.loads(json.dumps(document))


def test_every_operation_is_answered_and_no_other_method_is(
    document: dict[str, Any], tokenizer: Tokenizer
) -> None:
    async def run() -> None:
        async with running_face(tokenizer) as running:
            for path, operations in document["paths"].items():
                for method in ("get", "put", "post", "delete", "patch"):
                    answer = await ask(running.port, method.upper(), re.sub(r"\{\w+\}", "tiny", path))
                    assert (answer.status != 405) == (method in operations), (method, path)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1/chat/completions", ChatBody),
        ("/v1/completions", CompletionBody),
        ("/v1/responses", ResponseBody),
    ],
)
def test_it_lists_every_field(document: dict[str, Any], path: str, model: type[BaseModel]) -> None:
    body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    schema = document["components"]["schemas"][body["$ref"].rpartition("/")[2]]
    assert schema["properties"].keys() == model.model_fields.keys()
    assert schema["additionalProperties"] is False


def test_no_reference_leads_nowhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references
    assert references <= schemas.keys()


def test_whatever_the_schema_allows_is_answered_as_it_says(
    document: dict[str, Any], tokenizer: Tokenizer
) -> None:
    """Requests made from the document, fit and unfit ones; the first one answered otherwise fails this."""
    schema = schemathesis.openapi.from_dict(document)
    operations = [(path, method) for path, methods in document["paths"].items() for method in methods]
    assert len(operations) > 5
    statuses: Counter[tuple[str, int]] = Counter()
    with FaceInThread(tokenizer) as face:
        for path, method in operations:
            has_body = "requestBody" in document["paths"][path][method]
            modes = tuple(GenerationMode) if has_body else (GenerationMode.POSITIVE,)
            for mode in modes:
                cases = schema[path][method.upper()].as_strategy(mode)
                statuses += _statuses(cases, face.url)
    assert statuses["/v1/chat/completions", 200] > 0.1 * NUM_EXAMPLES
    assert statuses["/v1/completions", 200] > 0.1 * NUM_EXAMPLES
    of_responses = sum(count for (path, _), count in statuses.items() if path == "/v1/responses")
    assert of_responses >= NUM_EXAMPLES, "few of them are fit: how many depends on what else is imported"


def _statuses(cases: SearchStrategy[Any], url: str) -> Counter[tuple[str, int]]:
    statuses: Counter[tuple[str, int]] = Counter()

    @settings(
        max_examples=NUM_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def answered(case: Any) -> None:
        name = case.body.get("model") if isinstance(case.body, dict) else None
        if isinstance(name, str) and len(name) < 1000:
            case.body["model"] = MODEL  # else nearly every answer would be 404
        answer = case.call_and_validate(base_url=url, checks=list(CHECKS))
        statuses[case.operation.path, answer.status_code] += 1

    answered()
    return statuses
