"""What is asked about the gateway itself: does it live, is it ready, which model, which release."""

from functools import partial
from importlib.metadata import version

from pydantic import BaseModel

from gateway.http_face.endpoint import Endpoint
from gateway.http_face.exchange import Exchange
from gateway.inference import Inference
from gateway.served_model import ServedModel

_NOT_READY = {503: "It does not take requests, and says why"}
_NO_MODEL = {404: "No such model is served here"}


class HealthAnswer(BaseModel):
    """The process lives; whether it can serve is another question."""

    status: str


class VersionAnswer(BaseModel):
    name: str
    version: str


class ModelAnswer(BaseModel):
    id: str
    object: str
    created: int
    owned_by: str
    max_model_len: int


class ModelsAnswer(BaseModel):
    object: str
    data: list[ModelAnswer]


def service_endpoints(inference: Inference) -> tuple[Endpoint, ...]:
    return (
        Endpoint("GET", "/health", _health, "Whether the process lives", answer=HealthAnswer),
        Endpoint(
            "GET",
            "/ready",
            partial(_ready, inference),
            "Whether requests can be served now",
            answer=HealthAnswer,
            other_statuses=_NOT_READY,
        ),
        Endpoint("GET", "/version", _version, "What runs here", answer=VersionAnswer),
        Endpoint(
            "GET", "/v1/models", partial(_models, inference), "The models served here", answer=ModelsAnswer
        ),
        Endpoint(
            "GET",
            "/v1/models/{model:path}",
            partial(_model, inference),
            "One model",
            answer=ModelAnswer,
            other_statuses=_NO_MODEL,
        ),
    )


async def _health(exchange: Exchange) -> None:
    await exchange.send_json({"status": "alive"})


async def _ready(inference: Inference, exchange: Exchange) -> None:
    inference.check_ready()
    await exchange.send_json({"status": "ready"})


async def _version(exchange: Exchange) -> None:
    await exchange.send_json({"name": "expertmesh", "version": version("expertmesh")})


async def _models(inference: Inference, exchange: Exchange) -> None:
    names = (inference.model.name, *inference.model.aliases)
    await exchange.send_json(
        {"object": "list", "data": [_description(inference.model, name) for name in names]}
    )


async def _model(inference: Inference, exchange: Exchange) -> None:
    name = exchange.path_parameters["model"]
    inference.model.check_name(name)
    await exchange.send_json(_description(inference.model, name))


def _description(model: ServedModel, name: str) -> dict[str, object]:
    return {
        "id": name,
        "object": "model",
        "created": model.created,
        "owned_by": "expertmesh",
        "max_model_len": model.context_limit,
    }
