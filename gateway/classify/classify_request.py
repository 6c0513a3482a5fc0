"""What a client wants classified, and what it is told. Checked once, never changed. Not here: the wire."""

from dataclasses import dataclass

from gateway.classify.policy import check_labels, check_text
from gateway.harmony.settings import ReasoningEffort
from protos.errors import InvalidRequestError, TooLargeError
from workers.engine.events import Usage
from workers.engine.request import Priority

MAX_CONTENTS = 128


@dataclass(frozen=True, slots=True)
class ClassifyRequest:
    """`reasoning_budget` is in tokens, for each content; None: what the classifier takes by itself."""

    policy_text: str
    labels: tuple[str, ...]
    contents: tuple[str, ...]
    effort: ReasoningEffort = ReasoningEffort.MEDIUM
    reasoning_budget: int | None = None
    priority: Priority = Priority.NORMAL
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        check_text(self.policy_text)
        check_labels(self.labels)
        if not self.contents:
            raise InvalidRequestError("there is nothing to classify; send one content at least").about(
                "contents"
            )
        if len(self.contents) > MAX_CONTENTS:
            raise TooLargeError(
                f"{len(self.contents)} contents are given; at most {MAX_CONTENTS} are taken at once"
            ).about("contents")


@dataclass(frozen=True, slots=True)
class Classification:
    """Of one content. `logprobs` are those of each label as the whole answer; `probabilities` add up to 1."""

    label: str
    logprobs: tuple[float, ...]  # one a label, in their order
    probabilities: tuple[float, ...]
    rationale: str


@dataclass(frozen=True, slots=True)
class Classified:
    """`usage`: every prompt once, and as output the reasoning and the label."""

    classifications: tuple[Classification, ...]  # one a content, in their order
    usage: Usage
