"""What the demo model was measured to do, from the file of scores that lies beside its weights."""

from pathlib import Path

from examples.demo.card import effort_sentence, score_rows
from examples.demo.scores import SCORES_NAME, read_scores


def demo_scores(root: Path) -> str:
    scores = read_scores(root / "examples/expertmesh-demo" / SCORES_NAME)
    return f"{score_rows(scores)}\n\n{effort_sentence(scores)}"
