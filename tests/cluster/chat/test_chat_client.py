"""The client against real HTTP: what comes, what is refused, what breaks, and that closing ends it."""

import socket
from contextlib import closing
from pathlib import Path

import pytest

from cluster.chat.chat_client import ChatClient, Place
from cluster.chat.deltas import Content, Finished, Reasoning, Spent, ToolCallPart
from protos.errors import (
    CapacityError,
    ConfigError,
    ExpertMeshError,
    GatewayUnreachableError,
    InternalError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
)
from tests.cluster.chat.scripted_gateway import PAUSE, call, delta, finish, usage
from tests.cluster.conftest import Serve

WITHIN_S = 10.0


def client_of(url: str) -> ChatClient:
    return ChatClient(Place.parse(url))


def test_an_answer_comes_piece_by_piece(serve: Serve) -> None:
    script = [
        delta(role="assistant", content=None),
        delta(reasoning="so"),
        delta(reasoning_content=" it", something_new=7),
        delta(content="It is."),
        call(1, "look", ""),
        call(1, None, '{"at": 1}'),
        finish("tool_calls"),
        usage(30, 9, cached=16, reasoning=4),
    ]
    gateway = serve(script)
    heard = list(client_of(gateway.url).answer({"model": "scripted", "messages": []}))
    assert heard == [
        Reasoning("so"),
        Reasoning(" it"),
        Content("It is."),
        ToolCallPart(1, "call-1", "look", ""),
        ToolCallPart(1, None, None, '{"at": 1}'),
        Finished("tool_calls"),
        Spent(30, 16, 9, 4),
    ]
    (request,) = gateway.requests
    assert request["stream"] is True
    assert request["stream_options"] == {"include_usage": True}


def test_models_are_named(serve: Serve) -> None:
    assert client_of(serve([]).url).models() == ["scripted", "other"]


@pytest.mark.parametrize(
    ("status", "said", "kind", "words"),
    [
        (400, {"error": {"message": "temperature is 9"}}, InvalidRequestError, "temperature is 9"),
        (404, {"error": {"message": "no such model"}}, NotFoundError, "no such model"),
        (429, {"error": {"message": "full"}}, CapacityError, "full"),
        (503, {"error": {"message": "loading"}}, NotReadyError, "loading"),
        (500, "<html>oops", InternalError, "it answers with status 500: <html>oops"),
        (418, {"detail": 1}, InvalidRequestError, "it answers with status 418"),
    ],
)
def test_a_refusal_is_told_in_the_gateways_words(
    serve: Serve, status: int, said: object, kind: type[ExpertMeshError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        list(client_of(serve((status, said)).url).answer({}))


def test_an_answer_that_breaks_is_an_error(serve: Serve) -> None:
    broken = serve([delta(content="a"), {"error": {"message": "the mesh is gone"}}])
    with pytest.raises(InternalError, match="the mesh is gone"):
        list(client_of(broken.url).answer({}))
    cut = serve([delta(content="a")], is_cut=True)
    with pytest.raises(GatewayUnreachableError, match="broke off in the middle"):
        list(client_of(cut.url).answer({}))


def test_to_close_an_answer_closes_the_connection(serve: Serve) -> None:
    gateway = serve([delta(content="a"), PAUSE])
    with closing(client_of(gateway.url).answer({})) as deltas:
        assert next(deltas) == Content("a")
    assert gateway.client_went.wait(WITHIN_S)


def test_where_nobody_answers_one_is_told_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(GatewayUnreachableError, match=rf"no gateway answers at http://127.0.0.1:{port} \("):
        client_of(f"127.0.0.1:{port}").models()


def test_what_is_no_gateway_is_noticed(serve: Serve) -> None:
    with pytest.raises(GatewayUnreachableError, match="what answers is no gateway"):
        list(client_of(serve(["text"]).url).answer({}))


def test_a_certificate_file_must_be_there(tmp_path: Path) -> None:
    client = ChatClient(Place.parse("https://127.0.0.1:1"), tmp_path / "absent.pem")
    with pytest.raises(ConfigError, match=r"absent.pem cannot be used: No such file"):
        client.models()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("http://h:81", Place("h", 81, False, "")),
        ("http://h:81/v1/", Place("h", 81, False, "")),
        ("https://h/behind/v1", Place("h", 443, True, "/behind")),
        ("h:81", Place("h", 81, False, "")),
        ("[::1]:81", Place("::1", 81, False, "")),
    ],
)
def test_places(text: str, place: Place) -> None:
    assert Place.parse(text) == place


@pytest.mark.parametrize("text", ["ftp://h", "http://", "http://h:99999", "http://h:x", ""])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write it as http://HOST:PORT"):
        Place.parse(text)
