"""One contract on both faces: each error of the tree, as a status and as the end of a stream."""

import logging
from pathlib import Path

import grpc
import grpc.aio
import pytest

from gateway.classify.policy_folder import PolicyFolder
from gateway.classify.policy_store import PolicyStore
from model.tokenizer import Tokenizer
from protos import errors
from protos.errors import ExpertMeshError
from protos.gen.v1 import inference_pb2 as pb
from tests.gateway.grpc_face.served import Refusal, Streamed, serving
from tests.gateway.http_face.running_face import byte_tokenizer, running_face
from tests.gateway.http_face.wire import post
from tests.gateway.scripted_link import ScriptedLink

WORDS = "the file /srv/secret has 7 tensors; give it 8"
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
ASKED = pb.ChatRequest(messages=[pb.Message(user=pb.UserMessage(text="Hi"))])
MINE = "mine-7"

SHOWN = {
    "InvalidRequestError": ("INVALID_ARGUMENT", 400),
    "NoTokenLeftError": ("INVALID_ARGUMENT", 400),
    "InvalidGrammarError": ("INVALID_ARGUMENT", 400),
    "TooLargeError": ("INVALID_ARGUMENT", 413),
    "WrongMethodError": ("INVALID_ARGUMENT", 405),
    "MediaTypeError": ("INVALID_ARGUMENT", 415),
    "SlowSenderError": ("INVALID_ARGUMENT", 408),
    "NotFoundError": ("NOT_FOUND", 404),
    "CallNotKeptError": ("NOT_FOUND", 404),
    "ConflictError": ("ALREADY_EXISTS", 409),
    "NotReadyError": ("UNAVAILABLE", 503),
    "InternalError": ("INTERNAL", 500),
    "HubUnreachableError": ("UNAVAILABLE", 503),
    "CapacityError": ("RESOURCE_EXHAUSTED", 429),
    "SlowReaderError": ("RESOURCE_EXHAUSTED", 429),
    "ExpertsUnreachableError": ("UNAVAILABLE", 503),
    "StageLostError": ("UNAVAILABLE", 503),
    "RequestCancelledError": ("CANCELLED", 499),
    "DeadlineExpiredError": ("DEADLINE_EXCEEDED", 504),
    "EngineStoppedError": ("UNAVAILABLE", 503),
    "AttentionUnreachableError": ("UNAVAILABLE", 503),
    "ControllerUnreachableError": ("UNAVAILABLE", 503),
    "GatewayUnreachableError": ("UNAVAILABLE", 503),
}
"""Whose words go out. Those of all others are for the operator: INTERNAL, 500, InternalError."""
HIDDEN = ("INTERNAL", 500)

TREE = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ExpertMeshError)
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return byte_tokenizer(tmp_path_factory.mktemp("tokenizer of both faces"))


def check_words(kind: type[ExpertMeshError], words: str) -> None:
    if kind.__name__ in SHOWN:
        assert words == WORDS
    else:
        assert "secret" not in words
        assert MINE in words


def test_the_table_has_errors_of_the_tree_only() -> None:
    names = {kind.__name__ for kind in TREE}
    assert names > SHOWN.keys()


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
async def test_both_faces_refuse_alike(kind: type[ExpertMeshError], tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, refusal=kind.__new__(kind, WORDS))
    code, status = SHOWN.get(kind.__name__, HIDDEN)
    reason = kind.__name__ if kind.__name__ in SHOWN else "InternalError"
    async with running_face(tokenizer, link=link) as http:
        answer = await post(http.port, "/v1/chat/completions", CHAT, {"x-request-id": MINE})
    assert answer.status == status
    check_words(kind, answer.error["message"])
    async with serving(link, tokenizer) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Streamed.of(served.stub.Chat(ASKED, metadata=(("x-request-id", MINE),)))
    refusal = Refusal.of(caught.value)
    assert (refusal.code.name, refusal.reason) == (code, reason)
    check_words(kind, refusal.message)


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
async def test_both_faces_end_streams_alike(kind: type[ExpertMeshError], tokenizer: Tokenizer) -> None:
    link = ScriptedLink(
        tokenizer,
        lambda _, __: "<|channel|>final<|message|>Hello.<|return|>",
        breaks_after=(11, kind.__new__(kind, WORDS)),
    )
    code, _ = SHOWN.get(kind.__name__, HIDDEN)
    async with running_face(tokenizer, link=link) as http:
        streamed = {**CHAT, "stream": True}
        answer = await post(http.port, "/v1/chat/completions", streamed, {"x-request-id": MINE})
    assert answer.status == 200
    check_words(kind, answer.events[-1]["error"]["message"])
    async with serving(link, tokenizer) as served:
        stream = await Streamed.of(served.stub.Chat(ASKED, metadata=(("x-request-id", MINE),)))
    failure = stream.ended.failure
    assert failure.code == grpc.StatusCode[code].value[0]
    assert failure.reason == (kind.__name__ if kind.__name__ in SHOWN else "InternalError")
    check_words(kind, failure.message)


async def test_a_policy_folder_that_cannot_be_written(
    tokenizer: Tokenizer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "policies"
    policies = PolicyStore(lambda: 0.0, PolicyFolder(folder))
    (folder / "pets").write_text("it is in the way")
    async with serving(ScriptedLink(tokenizer), tokenizer, policies=policies) as served:
        asked = pb.PutPolicyRequest(id="pets", text="No dogs.", labels=["yes", "no"])
        with caplog.at_level(logging.ERROR), pytest.raises(grpc.aio.AioRpcError) as caught:
            await served.stub.PutPolicy(asked, metadata=(("x-request-id", MINE),))
    refusal = Refusal.of(caught.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "InternalError")
    assert str(folder) not in refusal.message
    assert MINE in refusal.message
    assert str(folder) in caplog.text, "the operator reads it"
    assert MINE in caplog.text
