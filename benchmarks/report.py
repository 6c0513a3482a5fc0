"""The frame of every benchmark: rows that compare us with a peer or a limit, a table, JSON, the command.

A benchmark is a module with a `measure(quick)` that gives rows, and `sys.exit(run(...))`. Not here: measuring
(`benchmarks.interleaving` helps) and what the machine is (`benchmarks.machine`).
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import Machine, this_commit, this_machine, versions


class BenchmarkError(Exception):
    """The benchmark cannot run here; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `ratio` says how many times better than the peer we are, whatever the unit; `goal` too."""

    name: str
    unit: str
    ours: float
    peer_name: str | None = None
    peer: float | None = None
    ratio: float | None = None
    goal: float | None = None
    met: bool | None = None


def compared(
    name: str,
    unit: str,
    ours: float,
    *,
    peer_name: str,
    peer: float,
    higher_is_better: bool,
    goal: float | None = None,
) -> Row:
    """A row with a peer, or with a limit in the peer's place."""
    ratio = ours / peer if higher_is_better else peer / ours
    met = None if goal is None else ratio >= goal
    return Row(name, unit, ours, peer_name, peer, ratio, goal, met)


@dataclass(frozen=True, slots=True)
class Report:
    """The fields of the JSON, in its order."""

    benchmark: str
    commit: str
    date: str
    machine: Machine
    versions: Mapping[str, str]
    rows: Sequence[Row]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    def to_table(self) -> str:
        heads = ("", "ours", "peer", "", "ratio", "goal", "")
        lines = [heads, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )


def run(
    benchmark: str,
    packages: Sequence[str],
    measure: Callable[[bool], Sequence[Row]],
    arguments: Sequence[str] | None = None,
    own_options: Sequence[argparse.ArgumentParser] = (),
) -> int:
    """The command of a benchmark; 0 when it ran, whether or not goals were met, 1 when it could not.

    `own_options` are read by the benchmark itself; here they are known, and told by --help.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{benchmark}", parents=own_options)
    parser.add_argument("--quick", action="store_true", help="smaller and fewer, under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there as well")
    parsed = parser.parse_args(arguments)
    try:
        rows = measure(parsed.quick)
    except BenchmarkError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    report = Report(
        benchmark=benchmark,
        commit=this_commit(Path(__file__).parent),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=this_machine(),
        versions=versions(packages),
        rows=rows,
    )
    print(report.to_table())
    if parsed.json is not None:
        parsed.json.write_text(report.to_json(), encoding="utf-8")
    return 0


def _cells(row: Row) -> tuple[str, ...]:
    verdict = {None: "", True: "met", False: "MISSED"}[row.met]
    return (
        row.name,
        f"{_short(row.ours)} {row.unit}",
        "" if row.peer is None else f"{_short(row.peer)} {row.unit}",
        row.peer_name or "",
        _short(row.ratio),
        _short(row.goal),
        verdict,
    )


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
