"""The demo's scores in the documents are those that lie beside its weights."""

from pathlib import Path

from examples.demo.scores import SCORES_NAME, EffortLength, Scores, TaskScore, write_scores
from tools.docs.demo_scores import demo_scores


def test_tasks_are_rows_and_efforts_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "examples/expertmesh-demo"
    folder.mkdir(parents=True)
    write_scores(folder / SCORES_NAME, Scores((TaskScore("date", 3, 4, 0),), (EffortLength("low", 2.5),)))
    assert demo_scores(tmp_path).splitlines() == [
        "| task | what | right | of |",
        "|---|---|---|---|",
        "| date | the date, which stands in the system message | 75.0 % | 4 |",
        "",
        "Reasoning for the same sums and lists takes so many tokens on average: 2.5 at low.",
    ]
