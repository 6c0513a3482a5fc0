"""A policy: the text by which contents are judged, and the labels that it has for them.

Checked once, never changed. Not here: where policies are kept (`policy_store`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from protos.errors import InvalidRequestError, TooLargeError

MAX_LABELS = 64
MAX_LABEL_CHARACTERS = 128
MAX_TEXT_CHARACTERS = 400_000
"""About what the longest context holds; the engine says more exactly."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class PolicyReference:
    """`version` None: the newest."""

    policy_id: str
    version: int | None = None

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.policy_id):
            raise InvalidRequestError(
                f"a policy's id is {self.policy_id[:80]!r}; it must have 1 to 128 letters, digits, '.', '_' "
                f"or '-', and begin with a letter or digit"
            ).about("policy.id")
        if self.version is not None and self.version < 1:
            raise InvalidRequestError(
                f"the version of {self.policy_id!r} is {self.version}; versions begin at 1"
            ).about("policy.version")


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of it. `labels` are those for requests that declare none of their own."""

    policy_id: str
    version: int
    text: str
    labels: tuple[str, ...]
    created_s: int  # Unix time

    def __post_init__(self) -> None:
        PolicyReference(self.policy_id, self.version)
        check_text(self.text)
        if self.labels:
            check_labels(self.labels)


def check_text(text: str) -> None:
    if not text.strip():
        raise InvalidRequestError("the policy is empty; say by which rules contents are judged").about(
            "policy"
        )
    if len(text) > MAX_TEXT_CHARACTERS:
        raise TooLargeError(
            f"the policy has {len(text)} characters; at most {MAX_TEXT_CHARACTERS} are taken"
        ).about("policy")


def check_labels(labels: Sequence[str]) -> None:
    """Those of one classification."""
    if len(labels) < 2:
        raise InvalidRequestError(f"{len(labels)} labels are declared; a choice needs two at least").about(
            "labels"
        )
    if len(labels) > MAX_LABELS:
        raise TooLargeError(f"{len(labels)} labels are declared; at most {MAX_LABELS} are taken").about(
            "labels"
        )
    for label in labels:
        if label != label.strip() or not 0 < len(label) <= MAX_LABEL_CHARACTERS:
            raise InvalidRequestError(
                f"a label is {label[:80]!r}; it must have 1 to {MAX_LABEL_CHARACTERS} characters, and no "
                f"blanks around them"
            ).about("labels")
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise InvalidRequestError(f"the label {twice!r} is declared twice").about("labels")
