"""Serves POST /v1/classify: contents in, a label of a policy for each out. And keeps policies."""

from functools import partial

from gateway.classify.classifier import Classifier
from gateway.classify.policy import PolicyReference
from gateway.classify.policy_store import PolicyStore
from gateway.http_face.body_check import check_body
from gateway.http_face.classify.answer import (
    CALL_PREFIX,
    ClassifyAnswerBody,
    DeletedAnswer,
    PoliciesAnswer,
    PolicyAnswer,
    classify_document,
    policy_document,
)
from gateway.http_face.classify.body import ClassifyBody, PolicyBody
from gateway.http_face.endpoint import GENERATING, Endpoint
from gateway.http_face.exchange import Exchange
from gateway.idempotency_key import IDEMPOTENCY_KEY, refuse_idempotency_key
from gateway.inference import Inference
from gateway.request_id import new_call_id
from protos.errors import NotFoundError

_POLICY = "/v1/policies/{id}"
_VERSION = "/v1/policies/{id}/{version}"
_NO_POLICY = {404: "There is no such policy, or no such version of it"}
_NO_ROOM = {429: "No more is kept here; delete something"}


def classify_endpoints(inference: Inference, policies: PolicyStore) -> tuple[Endpoint, ...]:
    classify = partial(_classify, inference, Classifier(inference), policies)
    put, get = partial(_put, policies), partial(_get, policies)
    forget = partial(_delete, policies)
    return (
        Endpoint(
            "POST",
            "/v1/classify",
            classify,
            "Contents in, for each a label of a policy out, with the probability of every label",
            body=ClassifyBody,
            answer=ClassifyAnswerBody,
            other_statuses=GENERATING,
        ),
        Endpoint(
            "GET",
            "/v1/policies",
            partial(_list, policies),
            "The policies kept",
            answer=PoliciesAnswer,
        ),
        Endpoint(
            "PUT",
            _POLICY,
            put,
            "Keeps a policy, as a new version unless it is the newest already",
            body=PolicyBody,
            answer=PolicyAnswer,
            other_statuses=_NO_ROOM,
        ),
        Endpoint("GET", _POLICY, get, "The newest version", answer=PolicyAnswer, other_statuses=_NO_POLICY),
        Endpoint("GET", _VERSION, get, "One version", answer=PolicyAnswer, other_statuses=_NO_POLICY),
        Endpoint(
            "DELETE",
            _POLICY,
            forget,
            "Forgets all versions",
            answer=DeletedAnswer,
            other_statuses=_NO_POLICY,
        ),
        Endpoint(
            "DELETE", _VERSION, forget, "Forgets one version", answer=DeletedAnswer, other_statuses=_NO_POLICY
        ),
    )


async def _classify(
    inference: Inference, classifier: Classifier, policies: PolicyStore, exchange: Exchange
) -> None:
    refuse_idempotency_key(exchange.header(IDEMPOTENCY_KEY))
    body = check_body(ClassifyBody, await exchange.body_object())
    inference.model.check_name(body.model)
    stored = body.stored_policy(policies)
    request = body.request(stored)
    call_id = new_call_id(CALL_PREFIX)
    async with exchange.while_connected():
        classified = await classifier.classify(request, call_id)
        await exchange.send_json(
            classify_document(
                call_id, body.model, classified, request, stored, with_rationale=bool(body.rationale)
            )
        )


async def _put(policies: PolicyStore, exchange: Exchange) -> None:
    body = check_body(PolicyBody, await exchange.body_object())
    policy = policies.put(exchange.path_parameters["id"], body.text, tuple(body.labels or ()))
    await exchange.send_json(policy_document(policy))


async def _get(policies: PolicyStore, exchange: Exchange) -> None:
    await exchange.send_json(policy_document(policies.get(_reference(exchange))))


async def _delete(policies: PolicyStore, exchange: Exchange) -> None:
    reference = _reference(exchange)
    policies.delete(reference)
    await exchange.send_json({"id": reference.policy_id, "object": "policy", "deleted": True})


async def _list(policies: PolicyStore, exchange: Exchange) -> None:
    versions = policies.all_versions()
    data = [{"id": policy_id, "versions": list(numbers)} for policy_id, numbers in versions.items()]
    await exchange.send_json({"object": "list", "data": data})


def _reference(exchange: Exchange) -> PolicyReference:
    """Of a path; what is no number is no version."""
    parameters = exchange.path_parameters
    version = parameters.get("version")
    if version is None:
        return PolicyReference(parameters["id"])
    if not (version.isascii() and version.isdecimal() and len(version) < 10 and int(version)):
        raise NotFoundError(f"{version[:80]!r} is no version; versions are the numbers 1, 2, …").about(
            "version"
        )
    return PolicyReference(parameters["id"], int(version))
