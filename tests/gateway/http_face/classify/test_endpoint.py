"""Classification and policies over a socket, by an engine that likes one label for each content."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from gateway.http_face.http_face import HttpFace
from model.tokenizer import Tokenizer
from protos.errors import BrokenLogitsError
from tests.gateway.classify.judging_link import JudgingLink
from tests.gateway.http_face.running_face import inference_over, paper_policies
from tests.gateway.http_face.wire import ask, post

RULES = "Everything about cats is allowed, and nothing about dogs."
LABELS = ["allowed", "refused"]
JUDGED = {"A cat sleeps.": "allowed", "A dog barks.": "refused"}
BODY = {"model": "tiny", "input": list(JUDGED), "policy": RULES, "labels": LABELS}


@asynccontextmanager
async def judging(tokenizer: Tokenizer) -> AsyncGenerator[int, None]:
    """-> the port."""
    link = JudgingLink(tokenizer, JUDGED, failure=BrokenLogitsError(()))
    face = HttpFace(inference_over(link, tokenizer), paper_policies(), "127.0.0.1", 0)
    await face.start()
    yield int(face.address.rpartition(":")[2])
    await face.aclose()
    assert link.num_running == 0


async def test_each_content_gets_a_label(tokenizer: Tokenizer) -> None:
    async with judging(tokenizer) as port:
        document = (await post(port, "/v1/classify", {**BODY, "rationale": True})).document
        assert (document["object"], document["model"], document["policy"]) == ("classification", "tiny", None)
        assert [result["label"] for result in document["results"]] == ["allowed", "refused"]
        assert [result["rationale"] for result in document["results"]] == ["It is allowed.", "It is refused."]
        for result in document["results"]:
            assert [score["label"] for score in result["scores"]] == LABELS
            assert sum(score["probability"] for score in result["scores"]) == pytest.approx(1.0)
        assert document["usage"]["completion_tokens"] > 0
        one = (await post(port, "/v1/classify", {**BODY, "input": "A dog barks."})).document
        assert [(result["label"], result["rationale"]) for result in one["results"]] == [("refused", None)]


async def test_no_idempotency_key_is_obeyed_and_so_none_is_taken(tokenizer: Tokenizer) -> None:
    async with judging(tokenizer) as port:
        answer = await post(port, "/v1/classify", BODY, {"idempotency-key": "k"})
    assert (answer.status, answer.error["param"]) == (400, "idempotency-key")
    assert "nothing would be idempotent" in answer.error["message"]


async def test_a_policy_is_kept_by_versions(tokenizer: Tokenizer) -> None:
    async with judging(tokenizer) as port:
        bodies = [{"text": text, "labels": LABELS} for text in ("First rules.", RULES, RULES)]
        kept = [(await ask(port, "PUT", "/v1/policies/pets", body)).document for body in bodies]
        assert [each["version"] for each in kept] == [1, 2, 2]
        assert {each["created"] for each in kept} == {1_700_000_007}
        listed = await ask(port, "GET", "/v1/policies")
        assert listed.document["data"] == [{"id": "pets", "versions": [1, 2]}]
        assert (await ask(port, "GET", "/v1/policies/pets")).document["text"] == RULES
        assert (await ask(port, "GET", "/v1/policies/pets/1")).document["text"] == "First rules."
        named = {"model": "tiny", "input": "A cat sleeps.", "policy": {"id": "pets"}}
        document = (await post(port, "/v1/classify", named)).document
        assert document["policy"] == {"id": "pets", "version": 2}
        assert document["results"][0]["label"] == "allowed"
        assert (await ask(port, "DELETE", "/v1/policies/pets/1")).document["deleted"]
        assert (await ask(port, "GET", "/v1/policies/pets/1")).status == 404
        assert (await ask(port, "DELETE", "/v1/policies/pets")).status == 200
        gone = await post(port, "/v1/classify", named)
        assert (gone.status, gone.error["param"]) == (404, "policy.id")


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"input": []}, 400, "input"),
        ({"input": ["x"] * 129}, 400, "input"),
        ({"labels": ["one"]}, 400, "labels"),
        ({"labels": None}, 400, "labels"),
        ({"labels": ["same", "same"]}, 400, "labels"),
        ({"policy": " "}, 400, "policy"),
        ({"policy": {"id": "nobody"}}, 404, "policy.id"),
        ({"policy": {"id": "bad id"}}, 400, "policy.id"),
        ({"policy": {"id": "x", "version": 0}}, 400, "policy.version"),
        ({"model": "other"}, 404, "model"),
        ({"inputs": "x"}, 400, "inputs"),
        ({"input": "nobody knows"}, 500, None),
    ],
    ids=str,
)
async def test_what_cannot_be_judged(
    change: dict[str, object], status: int, field: str | None, tokenizer: Tokenizer
) -> None:
    async with judging(tokenizer) as port:
        answer = await post(port, "/v1/classify", {**BODY, **change})
        assert (answer.status, answer.error["param"]) == (status, field)


@pytest.mark.parametrize(
    "path", ["/v1/policies/x/0", "/v1/policies/x/one", "/v1/policies/x/-1", "/v1/policies/x"]
)
async def test_there_is_no_such_version(path: str, tokenizer: Tokenizer) -> None:
    async with judging(tokenizer) as port:
        assert (await ask(port, "GET", path)).status == 404
