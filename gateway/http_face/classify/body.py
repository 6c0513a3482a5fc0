"""The bodies of a classification and of a policy, field by field."""

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from gateway.classify.classify_request import MAX_CONTENTS, ClassifyRequest
from gateway.classify.policy import (
    MAX_LABEL_CHARACTERS,
    MAX_LABELS,
    MAX_TEXT_CHARACTERS,
    Policy,
    PolicyReference,
)
from gateway.classify.policy_store import PolicyStore
from gateway.harmony.settings import ReasoningEffort
from gateway.http_face.body_check import TAG
from gateway.http_face.body_model import BodyModel
from gateway.http_face.chat.body import Effort
from gateway.http_face.generation_body import TokenCount, string_or_list

PolicyText = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARACTERS)]
Labels = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MAX_LABEL_CHARACTERS)]],
    Field(min_length=2, max_length=MAX_LABELS),
]
Inputs = Annotated[
    Annotated[str, Tag(f"{TAG}string")]
    | Annotated[list[str], Tag(f"{TAG}list"), Field(min_length=1, max_length=MAX_CONTENTS)],
    Discriminator(string_or_list),
]


class StoredPolicy(BodyModel):
    id: Annotated[str, Field(max_length=128)]
    version: Annotated[int | None, Field(ge=1, description="left out: the newest")] = None


class ClassifyBody(BodyModel):
    """The rules are `policy`: their text, or one that is stored."""

    model: Annotated[str, Field(max_length=1024, description="a name that /v1/models lists")]
    input: Annotated[Inputs, Field(description="what is judged: a text, or several")]
    policy: Annotated[
        Annotated[PolicyText, Tag(f"{TAG}string")] | Annotated[StoredPolicy, Tag(f"{TAG}list")],
        Discriminator(string_or_list),
    ]
    labels: Annotated[Labels | None, Field(description="left out: those of the stored policy")] = None
    reasoning_effort: Effort | None = None
    reasoning_budget: Annotated[TokenCount | None, Field(description="tokens, for each input")] = None
    rationale: Annotated[bool | None, Field(description="whether the reasoning is told")] = None

    def stored_policy(self, policies: PolicyStore) -> Policy | None:
        """Raises NotFoundError."""
        if isinstance(self.policy, str):
            return None
        return policies.get(PolicyReference(self.policy.id, self.policy.version))

    def request(self, stored: Policy | None) -> ClassifyRequest:
        """Raises InvalidRequestError about the field."""
        labels = tuple(self.labels or (() if stored is None else stored.labels))
        return ClassifyRequest(
            self.policy if isinstance(self.policy, str) else "" if stored is None else stored.text,
            labels,
            (self.input,) if isinstance(self.input, str) else tuple(self.input),
            ReasoningEffort(self.reasoning_effort or ReasoningEffort.MEDIUM),
            self.reasoning_budget,
        )


class PolicyBody(BodyModel):
    text: PolicyText
    labels: Annotated[Labels | None, Field(description="for requests that declare none")] = None
