"""Tables of what was measured, from benchmarks/results: one for each benchmark that has a result there."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.docs.markdown import table

_SHORT_COMMIT = 12
_BYTES = "bytes"


def measured(root: Path) -> str:
    return "\n\n".join(
        part for path in sorted((root / "benchmarks/results").glob("*.json")) for part in _of_file(path)
    )


def _of_file(path: Path) -> Iterator[str]:
    report = json.loads(path.read_text(encoding="utf-8"))
    yield f"### {report['benchmark']}"
    yield _circumstances(report)
    yield table(("what", "ours", "against", "ratio", "goal"), map(_row, report["rows"]))


def _circumstances(report: dict[str, Any]) -> str:
    machine = report["machine"]
    where = [
        f"{machine['cores']} cores ({machine['cpu']}: {', '.join(machine['features'])})",
        f"{machine['memory_bytes'] / 2**30:.0f} GiB",
        ", ".join(map(str, machine["gpus"])) or "no GPU",
        *(f"{name} {version}" for name, version in report["versions"].items()),
    ]
    when = f"commit {report['commit'][:_SHORT_COMMIT]}, {report['date'][:10]}"
    return f"`python -m benchmarks.{report['benchmark']}`, {when}; {'; '.join(where)}."


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    unit = row["unit"]
    against = "" if row["peer"] is None else f"{_amount(row['peer'], unit)}: {row['peer_name']}"
    goal = "" if row["goal"] is None else f"{_amount(row['goal'])} {'met' if row['met'] else 'missed'}"
    ours = _amount(row["ours"], unit) if unit == _BYTES else f"{_amount(row['ours'])} {unit}"
    return row["name"], ours, against, _amount(row["ratio"]), goal


def _amount(value: float | None, unit: str = "") -> str:
    """Three figures of it."""
    if value is None:
        return ""
    if unit == _BYTES:
        return f"{_amount(value / 1e9)} GB"
    return f"{float(f'{value:.3g}'):,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
