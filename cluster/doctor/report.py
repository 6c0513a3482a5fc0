"""Findings as a table for a person, or as JSON for a program. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from textwrap import wrap

from cluster.doctor.finding import Finding, State

_HEADINGS = ("CHECK", "STATE", "FOUND")
_LEAST_WIDTH = 30


def is_healthy(findings: Sequence[Finding]) -> bool:
    return all(finding.state is not State.WRONG for finding in findings)


def as_table(findings: Sequence[Finding], width: int) -> str:
    """Lines of at most so many characters; what to do stands below what is not right."""
    checks = max(len(_HEADINGS[0]), *(len(finding.check) for finding in findings))
    states = max(map(len, State))
    indent = checks + states + 4
    rows = [_row(_HEADINGS[0], _HEADINGS[1], _HEADINGS[2], checks, states)]
    for finding in findings:
        lines = _wrapped(finding.found, width - indent)
        if finding.remedy is not None:
            lines += [
                f"{'-> ' if number == 0 else '   '}{line}"
                for number, line in enumerate(_wrapped(finding.remedy, width - indent - 3))
            ]
        rows.append(_row(finding.check, finding.state, lines[0], checks, states))
        rows += [f"{'':{indent}}{line}" for line in lines[1:]]
    return "\n".join([*rows, "", _summary(findings)])


def as_json(findings: Sequence[Finding]) -> str:
    document = {"healthy": is_healthy(findings), "findings": [asdict(finding) for finding in findings]}
    return json.dumps(document, indent=1)


def _row(check: str, state: str, found: str, checks: int, states: int) -> str:
    return f"{check:{checks}}  {state:{states}}  {found}"


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, max(width, _LEAST_WIDTH), break_on_hyphens=False, break_long_words=False) or [""]


def _summary(findings: Sequence[Finding]) -> str:
    counts = {state: sum(finding.state is state for finding in findings) for state in State}
    said = [f"{counts[state]} {state}" for state in State if counts[state]]
    return ", ".join(said)
