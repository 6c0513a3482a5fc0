"""Asks all that `test_demo` asks, on many days: the date stands in every prompt, and must not decide.

`python -m tests.end_to_end.on_any_day` takes some minutes, with a number of days less or more; for whoever
trains the demo anew, or writes a test with a new question.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import date, timedelta
from functools import partial
from itertools import product

from cluster.config.config_file import parse_config
from cluster.environment import cpu_kernel_settings
from cluster.serving import parts
from cluster.single_mode import SingleMode
from gateway.inference import Inference
from tests.end_to_end import test_demo
from tests.end_to_end.conftest import DEMO, config
from tests.end_to_end.heard import Face
from tests.end_to_end.over_http import OverHttp

_FIRST_DAY = date(2026, 1, 1)
_DAYS = 60
_DAYS_APART = 37  # another day of the week and of the month each time

Check = Callable[..., None]


def main() -> None:
    num_days = int(sys.argv[1]) if len(sys.argv) > 1 else _DAYS
    days = [_FIRST_DAY + timedelta(_DAYS_APART * number) for number in range(num_days)]
    today = [days[0]]
    parts.Inference = partial(Inference, today=lambda: today[0])  # type: ignore[assignment, attr-defined]
    said: list[str] = []
    server = SingleMode(DEMO, parse_config(config(DEMO), "here"), cpu_kernel_settings(), said.append)
    try:
        server.begin()
        while not said:
            server.look()
            time.sleep(0.1)
        address = said[0].split("http://")[1].split("/")[0]
        with closing(OverHttp(address, DEMO.name)) as face:
            for name, check, arguments in checks():
                print(f"{name:60} {failures(face, check, arguments, days, today)}", flush=True)
    finally:
        server.stop()


def failures(
    face: Face, check: Check, arguments: Mapping[str, object], days: list[date], today: list[date]
) -> str:
    """Of a check, in words."""
    failed = []
    for today[0] in days:
        try:
            check(face, **arguments)
        except (AssertionError, ValueError):
            failed.append(today[0].isoformat())
    right = f"right on {len(days) - len(failed)} of {len(days)} days"
    return f"{right}, wrong on {', '.join(failed[:3])}" if failed else right


def checks() -> Iterator[tuple[str, Check, Mapping[str, object]]]:
    """Every test of one face, with each set of its parameters."""
    for name, check in vars(test_demo).items():
        if not name.startswith("test_") or "face" not in check.__annotations__:
            continue
        marks = [mark for mark in getattr(check, "pytestmark", ()) if mark.name == "parametrize"]
        for number, chosen in enumerate(product(*(mark.args[1] for mark in marks))):
            names = [each for mark in marks for each in mark.args[0]]
            values = [value for part in chosen for value in getattr(part, "values", part)]
            yield f"{name.removeprefix('test_')} {number}", check, dict(zip(names, values, strict=True))


if __name__ == "__main__":
    main()
