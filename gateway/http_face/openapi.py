"""The OpenAPI document: what there is to call, made from the endpoints and the models of their bodies.

Made once, served at /openapi.json. Not here: the models; those of answers describe them and do not make them.
"""

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.http_face.endpoint import Endpoint
from gateway.http_face.exchange import JSON_TYPE, Exchange
from gateway.http_face.json_text import json_bytes

PATH = "/openapi.json"
_OF_EVERY_REQUEST = {
    400: "The request is not one that can be served; the message says which field, and why",
    500: "A fault of this gateway; its log has more under the id in the message",
    503: "This gateway is about to stop, or reaches no engine",
}
_OF_BODIES = {
    408: "The body did not come in its time",
    413: "The body is too large",
    415: "The body is not JSON",
}
Schemas = dict[type[BaseModel], object]
_EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": "string", "description": "JSON of a chunk or of an error; last [DONE]"}},
}
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswerBody(BaseModel):
    """What every answer holds that is not 200, and the last event of a stream that failed."""

    error: ErrorDetail


def openapi_endpoint(endpoints: Sequence[Endpoint]) -> Endpoint:
    async def serve(exchange: Exchange) -> None:
        await exchange.send_body(document, JSON_TYPE, 200)

    endpoint = Endpoint("GET", PATH, serve, "This document")
    document = json_bytes(openapi_document([*endpoints, endpoint]))
    return endpoint


def openapi_document(endpoints: Sequence[Endpoint]) -> dict[str, object]:
    models: list[type[BaseModel]] = list(dict.fromkeys([ErrorAnswerBody, *_models(endpoints)]))
    names, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    model_to_schema: Schemas = {model: names[model, "validation"] for model in models}
    paths: dict[str, dict[str, object]] = {}
    for endpoint in endpoints:
        path = _PARAMETER.sub(r"{\1}", endpoint.path)
        operation = _operation(endpoint, model_to_schema)
        paths.setdefault(path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "ExpertMesh", "version": version("expertmesh")},
        "paths": paths,
        "components": {"schemas": definitions.get("$defs", {})},
    }


def _models(endpoints: Sequence[Endpoint]) -> Iterator[type[BaseModel]]:
    for endpoint in endpoints:
        yield from (model for model in (endpoint.body, endpoint.answer) if model is not None)


def _operation(endpoint: Endpoint, model_to_schema: Schemas) -> dict[str, object]:
    statuses = {**_OF_EVERY_REQUEST, **(_OF_BODIES if endpoint.body else {}), **endpoint.other_statuses}
    failure = {JSON_TYPE: {"schema": model_to_schema[ErrorAnswerBody]}}
    responses: dict[str, object] = {"200": _success(endpoint, model_to_schema)}
    for status, description in sorted(statuses.items()):
        responses[str(status)] = {"description": description, "content": failure}
    operation: dict[str, object] = {"summary": endpoint.summary, "responses": responses}
    if endpoint.body is not None:
        body = {JSON_TYPE: {"schema": model_to_schema[endpoint.body]}}
        operation["requestBody"] = {"required": True, "content": body}
    if parameters := _parameters(endpoint):
        operation["parameters"] = parameters
    return operation


def _parameters(endpoint: Endpoint) -> list[dict[str, object]]:
    in_path: list[dict[str, object]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PARAMETER.findall(endpoint.path)
    ]
    in_query: list[dict[str, object]] = [
        {"name": each.name, "in": "query", "schema": each.schema, "description": each.description}
        for each in endpoint.query
    ]
    return in_path + in_query


def _success(endpoint: Endpoint, model_to_schema: Schemas) -> dict[str, object]:
    schema = {} if endpoint.answer is None else model_to_schema[endpoint.answer]
    content: dict[str, object] = {JSON_TYPE: {"schema": schema}}
    if endpoint.is_streamed:
        content["text/event-stream"] = {"schema": _EVENT}
    return {"description": "Done", "content": content}
