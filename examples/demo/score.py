"""Scores a demo model by its held-out sets, through gateway and engine in this process.

python -m examples.demo.score --model FOLDER [--json FILE]
"""

import argparse
import sys
from pathlib import Path

from examples.demo.scores import Scores, write_scores
from examples.demo.scoring import score_folder
from protos.errors import ExpertMeshError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("examples/expertmesh-demo"))
    parser.add_argument("--per-task", type=int, default=200, help="held-out conversations of each task")
    parser.add_argument("--json", type=Path, help="where the scores are written too")
    arguments = parser.parse_args()
    scores = score_folder(arguments.model, arguments.per_task)
    report(scores)
    if arguments.json is not None:
        write_scores(arguments.json, scores)


def report(scores: Scores) -> None:
    print(f"{'task':16} {'right':>5} {'of':>4} {'share':>6}  malformed")
    for score in scores.tasks:
        share = f"{100 * score.share:.1f} %"
        print(f"{score.task:16} {score.num_right:5} {score.num_asked:4} {share:>7} {score.num_malformed:5}")
    lengths = ", ".join(f"{each.effort} {each.reasoning_tokens}" for each in scores.efforts)
    print(f"reasoning tokens: {lengths}")


if __name__ == "__main__":
    try:
        main()
    except ExpertMeshError as error:
        sys.exit(f"score: {error}")
