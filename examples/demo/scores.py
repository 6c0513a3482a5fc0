"""What was measured of the demo model, as the file of scores beside it says it.

Plain values. Not here: how they are measured (`scoring`), how they are told (`card`, `score`).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SCORES_NAME = "scores.json"


@dataclass(frozen=True, slots=True)
class TaskScore:
    """Of held-out conversations alone. `num_malformed` answers had something to mend in their harmony."""

    task: str
    num_right: int
    num_asked: int
    num_malformed: int

    @property
    def share(self) -> float:
        return self.num_right / self.num_asked


@dataclass(frozen=True, slots=True)
class EffortLength:
    """How long the reasoning is, on average, at one effort, for the same questions."""

    effort: str
    reasoning_tokens: float


@dataclass(frozen=True, slots=True)
class Scores:
    tasks: tuple[TaskScore, ...]
    efforts: tuple[EffortLength, ...]

    def of(self, task: str) -> TaskScore:
        return next(score for score in self.tasks if score.task == task)


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How the weights were made."""

    seed: int
    num_steps: int
    num_tokens: int
    elapsed_s: int
    cpu_s: int  # of all threads
    num_threads: int
    num_parameters: int


def write_scores(path: Path, scores: Scores, training: TrainingReport | None = None) -> None:
    document = asdict(scores) | ({} if training is None else {"training": asdict(training)})
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_scores(path: Path) -> Scores:
    document = json.loads(path.read_text(encoding="utf-8"))
    tasks: Sequence[dict[str, object]] = document["tasks"]
    efforts: Sequence[dict[str, object]] = document["efforts"]
    return Scores(
        tuple(TaskScore(**task) for task in tasks),  # type: ignore[arg-type]
        tuple(EffortLength(**effort) for effort in efforts),  # type: ignore[arg-type]
    )


def read_training(path: Path) -> TrainingReport:
    return TrainingReport(**json.loads(path.read_text(encoding="utf-8"))["training"])
