"""Tables of results: every row that a benchmark has written is in the page, and none that it has not."""

import json
import re
from pathlib import Path

from tools.docs.measured import measured

ROOT = Path(__file__).parents[3]


def row(name: str, unit: str, ours: float, **others: object) -> dict[str, object]:
    absent = dict.fromkeys(("peer_name", "peer", "ratio", "goal", "met"))
    return {"name": name, "unit": unit, "ours": ours, **absent, **others}


REPORT = {
    "benchmark": "some",
    "commit": "0123456789abcdef",
    "date": "2026-11-27T01:02:03+00:00",
    "machine": {"cpu": "A CPU", "cores": 3, "memory_bytes": 8 << 30, "features": ["fma"], "gpus": []},
    "versions": {},
    "rows": [
        row("a", "tokens/s", 12345.6, peer_name="b", peer=0.01234, ratio=2.5, goal=3.0, met=False),
        row("c | d", "bytes", 1932562432.0),
    ],
}


def test_a_report_becomes_a_table(tmp_path: Path) -> None:
    (tmp_path / "benchmarks/results").mkdir(parents=True)
    (tmp_path / "benchmarks/results/some.json").write_text(json.dumps(REPORT))
    assert measured(tmp_path).splitlines() == [
        "### some",
        "",
        "`python -m benchmarks.some`, commit 0123456789ab, 2026-11-27; 3 cores (A CPU: fma); 8 GiB; no GPU.",
        "",
        "| what | ours | against | ratio | goal |",
        "|---|---|---|---|---|",
        "| a | 12,300 tokens/s | 0.0123: b | 2.5 | 3 missed |",
        "| c \\| d | 1.93 GB |  |  |  |",
    ]


def test_every_result_is_in_the_page() -> None:
    page = (ROOT / "docs/performance.md").read_text()
    for path in (ROOT / "benchmarks/results").glob("*.json"):
        section = page.partition(f"\n### {path.stem}\n")[2].partition("\n### ")[0]
        names = [row["name"] for row in json.loads(path.read_text())["rows"]]
        assert re.findall(r"^\| (.+?) \| [\d.,]+(?:e[+-]\d+)? ", section, re.MULTILINE) == names
