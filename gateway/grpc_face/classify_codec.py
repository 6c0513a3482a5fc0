"""Classification and its policies: between messages of inference.proto and `gateway.classify`."""

from collections.abc import Mapping

from gateway.classify.classify_request import Classification, Classified, ClassifyRequest
from gateway.classify.policy import Policy, PolicyReference
from gateway.classify.policy_store import PolicyStore
from gateway.grpc_face.event_codec import usage_to_message
from gateway.grpc_face.options_codec import effort_from_message, priority_from_message
from protos.errors import InvalidRequestError
from protos.gen.v1 import inference_pb2 as pb


def policy_of(message: pb.ClassifyRequest, policies: PolicyStore) -> Policy | None:
    """The stored one that the request names; None where it brings its own text."""
    match message.WhichOneof("rules"):
        case "policy":
            return policies.get(reference_from_message(message.policy))
        case "policy_text":
            return None
    raise InvalidRequestError("the policy is missing; send its text, or name a stored one").about("policy")


def classify_request_from_message(
    message: pb.ClassifyRequest, policy: Policy | None, timeout_s: float | None
) -> ClassifyRequest:
    """`policy`: the stored one, whose labels hold where the request declares none."""
    labels = tuple(message.labels)
    if not labels and policy is not None:
        labels = policy.labels
    return ClassifyRequest(
        message.policy_text if policy is None else policy.text,
        labels,
        tuple(message.contents),
        effort_from_message(message.reasoning_effort),
        message.reasoning_budget if message.HasField("reasoning_budget") else None,
        priority_from_message(message.priority),
        timeout_s,
    )


def classified_to_message(
    classified: Classified, request: ClassifyRequest, policy: Policy | None, *, with_rationale: bool
) -> pb.ClassifyResponse:
    return pb.ClassifyResponse(
        classifications=[
            _classification(each, request.labels, with_rationale) for each in classified.classifications
        ],
        usage=usage_to_message(classified.usage),
        policy=None if policy is None else pb.PolicyReference(id=policy.policy_id, version=policy.version),
    )


def reference_from_message(message: pb.PolicyReference) -> PolicyReference:
    return PolicyReference(message.id, message.version if message.HasField("version") else None)


def policy_to_message(policy: Policy) -> pb.Policy:
    return pb.Policy(
        id=policy.policy_id,
        version=policy.version,
        text=policy.text,
        labels=policy.labels,
        created_s=policy.created_s,
    )


def stored_to_message(versions: Mapping[str, tuple[int, ...]]) -> pb.ListPoliciesResponse:
    return pb.ListPoliciesResponse(
        policies=[pb.StoredPolicy(id=each, versions=numbers) for each, numbers in versions.items()]
    )


def _classification(
    classification: Classification, labels: tuple[str, ...], with_rationale: bool
) -> pb.Classification:
    scores = zip(labels, classification.probabilities, classification.logprobs, strict=True)
    return pb.Classification(
        label=classification.label,
        scores=[
            pb.LabelScore(label=label, probability=probability, logprob=logprob)
            for label, probability, logprob in scores
        ],
        rationale=classification.rationale if with_rationale else None,
    )
