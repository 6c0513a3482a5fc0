"""Classification, stored policies, and the small methods, over a real channel."""

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message

from model.tokenizer.tokenizer import Tokenizer
from protos.gen.v1 import inference_pb2 as pb
from tests.gateway.classify.judging_link import JudgingLink
from tests.gateway.engine_link.hearing import until
from tests.gateway.grpc_face.served import CONTEXT_LIMIT, CREATED, Refusal, Served, serving
from tests.gateway.scripted_link import ScriptedLink

JUDGED = {"A cat.": "fine", "A dog.": "not fine"}
LABELS = ["fine", "not fine"]


async def refused(call: "grpc.aio.UnaryUnaryCall[Message, Message]") -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return Refusal.of(caught.value)


async def test_by_the_text_of_a_policy(tokenizer: Tokenizer) -> None:
    async with serving(JudgingLink(tokenizer, JUDGED), tokenizer) as served:
        answer = await served.stub.Classify(
            pb.ClassifyRequest(policy_text="Cats.", contents=["A dog.", "A cat."], labels=LABELS)
        )
    assert [each.label for each in answer.classifications] == ["not fine", "fine"]
    for each in answer.classifications:
        assert [score.label for score in each.scores] == LABELS
        assert sum(score.probability for score in each.scores) == pytest.approx(1.0)
        assert max(each.scores, key=lambda score: score.logprob).label == each.label
        assert not each.HasField("rationale")
    assert answer.usage.output_tokens > 0
    assert not answer.HasField("policy")


async def test_no_idempotency_key_is_obeyed_and_so_none_is_taken(tokenizer: Tokenizer) -> None:
    async with serving(JudgingLink(tokenizer, JUDGED), tokenizer) as served:
        asked = pb.ClassifyRequest(policy_text="Cats.", contents=["A dog."], labels=LABELS)
        refusal = await refused(served.stub.Classify(asked, metadata=(("idempotency-key", "k"),)))
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, "idempotency-key")
    assert "nothing would be idempotent" in refusal.message


async def test_by_a_stored_policy_with_its_labels_and_reasons(tokenizer: Tokenizer) -> None:
    async with serving(JudgingLink(tokenizer, JUDGED), tokenizer) as served:
        await served.stub.PutPolicy(pb.PutPolicyRequest(id="pets", text="Cats.", labels=LABELS))
        await served.stub.PutPolicy(pb.PutPolicyRequest(id="pets", text="Cats!", labels=LABELS))
        request = pb.ClassifyRequest(
            policy=pb.PolicyReference(id="pets", version=1), contents=["A cat."], rationale=True
        )
        pinned = await served.stub.Classify(request)
        request.policy.ClearField("version")
        newest = await served.stub.Classify(request)
    assert (pinned.policy.id, pinned.policy.version, newest.policy.version) == ("pets", 1, 2)
    assert pinned.classifications[0].label == "fine"
    assert pinned.classifications[0].rationale == "It is fine."


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        (pb.ClassifyRequest(contents=["a"], labels=LABELS), grpc.StatusCode.INVALID_ARGUMENT, "policy"),
        (
            pb.ClassifyRequest(policy=pb.PolicyReference(id="none"), contents=["a"], labels=LABELS),
            grpc.StatusCode.NOT_FOUND,
            "policy.id",
        ),
        (
            pb.ClassifyRequest(policy_text="p", contents=["a"]),
            grpc.StatusCode.INVALID_ARGUMENT,
            "labels",
        ),
        (
            pb.ClassifyRequest(policy_text="p", labels=LABELS),
            grpc.StatusCode.INVALID_ARGUMENT,
            "contents",
        ),
        (
            pb.ClassifyRequest(model="gpt-5", policy_text="p", labels=LABELS, contents=["a"]),
            grpc.StatusCode.NOT_FOUND,
            "model",
        ),
    ],
)
async def test_what_cannot_be_classified(
    tokenizer: Tokenizer, request_: pb.ClassifyRequest, code: grpc.StatusCode, field: str
) -> None:
    async with serving(JudgingLink(tokenizer, JUDGED), tokenizer) as served:
        refusal = await refused(served.stub.Classify(request_))
    assert (refusal.code, refusal.field) == (code, field)


async def test_a_client_that_goes_ends_all_that_is_asked_for_it(tokenizer: Tokenizer) -> None:
    link = ScriptedLink(tokenizer, stalls_after=2)
    async with serving(link, tokenizer) as served:
        call = served.stub.Classify(
            pb.ClassifyRequest(policy_text="p", contents=["a", "b"], labels=LABELS), timeout=0.3
        )
        assert (await refused(call)).code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert len(link.requests) == 2
        await until(lambda: served.book.num_live == 0)
        assert sorted(link.cancelled) == sorted(each.request_id for each in link.requests)


async def test_policies_by_id_and_version(tokenizer: Tokenizer) -> None:
    async with serving(ScriptedLink(tokenizer), tokenizer) as served:
        stub = served.stub
        put = await stub.PutPolicy(pb.PutPolicyRequest(id="pets", text="Cats.", labels=LABELS))
        assert put.policy == pb.Policy(id="pets", version=1, text="Cats.", labels=LABELS, created_s=CREATED)
        await stub.PutPolicy(pb.PutPolicyRequest(id="pets", text="Dogs."))
        await stub.PutPolicy(pb.PutPolicyRequest(id="cars", text="Cars."))
        got = await stub.GetPolicy(pb.GetPolicyRequest(policy=pb.PolicyReference(id="pets", version=1)))
        assert got.policy == put.policy
        assert await versions_of(served) == {"cars": [1], "pets": [1, 2]}
        await stub.DeletePolicy(pb.DeletePolicyRequest(policy=pb.PolicyReference(id="pets", version=1)))
        await stub.DeletePolicy(pb.DeletePolicyRequest(policy=pb.PolicyReference(id="cars")))
        assert await versions_of(served) == {"pets": [2]}
        gone = pb.GetPolicyRequest(policy=pb.PolicyReference(id="pets", version=1))
        assert (await refused(stub.GetPolicy(gone))).code is grpc.StatusCode.NOT_FOUND
        nameless = await refused(stub.PutPolicy(pb.PutPolicyRequest(text="Cats.")))
        assert (nameless.code, nameless.field) == (grpc.StatusCode.INVALID_ARGUMENT, "policy.id")


async def versions_of(served: Served) -> dict[str, list[int]]:
    answer = await served.stub.ListPolicies(pb.ListPoliciesRequest())
    return {each.id: list(each.versions) for each in answer.policies}


async def test_tokens_are_counted_and_shown(tokenizer: Tokenizer) -> None:
    text = "Grüße <|end|>"
    async with serving(ScriptedLink(tokenizer), tokenizer) as served:
        tokens = await served.stub.Tokenize(pb.TokenizeRequest(text=text, model="paper"))
        counted = await served.stub.CountTokens(pb.CountTokensRequest(text=text))
        nothing = await refused(served.stub.CountTokens(pb.CountTokensRequest()))
        other = await refused(served.stub.Tokenize(pb.TokenizeRequest(text=text, model="gpt-5")))
    assert list(tokens.token_ids) == tokenizer.encode(text)
    assert counted.num_tokens == len(tokens.token_ids) == 15
    assert (nothing.code, nothing.field) == (grpc.StatusCode.INVALID_ARGUMENT, "counted")
    assert (other.code, other.field) == (grpc.StatusCode.NOT_FOUND, "model")


async def test_the_models_that_are_served(tokenizer: Tokenizer) -> None:
    async with serving(ScriptedLink(tokenizer), tokenizer) as served:
        (model,) = (await served.stub.ListModels(pb.ListModelsRequest())).models
    assert model == pb.Model(
        name="gpt-oss-paper",
        aliases=["paper"],
        context_limit=CONTEXT_LIMIT,
        vocab_size=tokenizer.vocab_size,
        created_s=CREATED,
    )
