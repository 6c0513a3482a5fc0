"""What a classification and a policy look like to a client."""

from pydantic import BaseModel

from gateway.classify.classify_request import Classification, Classified, ClassifyRequest
from gateway.classify.policy import Policy
from gateway.http_face.token_names import finite
from gateway.http_face.usage import UsageAnswer, usage_document
from gateway.request_id import time_of

CALL_PREFIX = "clas-"


class LabelScoreAnswer(BaseModel):
    label: str
    probability: float
    logprob: float


class ClassificationAnswer(BaseModel):
    index: int
    label: str
    scores: list[LabelScoreAnswer]
    rationale: str | None


class PolicyNameAnswer(BaseModel):
    id: str
    version: int


class ClassifyAnswerBody(BaseModel):
    """It describes; answers are made without it."""

    id: str
    object: str
    created: int
    model: str
    policy: PolicyNameAnswer | None
    results: list[ClassificationAnswer]
    usage: UsageAnswer


class PolicyAnswer(BaseModel):
    id: str
    object: str
    version: int
    text: str
    labels: list[str]
    created: int


class PolicyVersionsAnswer(BaseModel):
    id: str
    versions: list[int]


class PoliciesAnswer(BaseModel):
    object: str
    data: list[PolicyVersionsAnswer]


class DeletedAnswer(BaseModel):
    id: str
    object: str
    deleted: bool


def classify_document(
    call_id: str,
    model: str,
    classified: Classified,
    request: ClassifyRequest,
    stored: Policy | None,
    *,
    with_rationale: bool,
) -> dict[str, object]:
    return {
        "id": call_id,
        "object": "classification",
        "created": time_of(call_id, CALL_PREFIX),
        "model": model,
        "policy": None if stored is None else {"id": stored.policy_id, "version": stored.version},
        "results": [
            _result(index, each, request.labels, with_rationale)
            for index, each in enumerate(classified.classifications)
        ],
        "usage": usage_document(classified.usage),
    }


def policy_document(policy: Policy) -> dict[str, object]:
    return {
        "id": policy.policy_id,
        "object": "policy",
        "version": policy.version,
        "text": policy.text,
        "labels": list(policy.labels),
        "created": policy.created_s,
    }


def _result(
    index: int, classification: Classification, labels: tuple[str, ...], with_rationale: bool
) -> dict[str, object]:
    scores = zip(labels, classification.probabilities, classification.logprobs, strict=True)
    return {
        "index": index,
        "label": classification.label,
        "scores": [
            {"label": label, "probability": probability, "logprob": finite(logprob)}
            for label, probability, logprob in scores
        ],
        "rationale": classification.rationale if with_rationale else None,
    }
