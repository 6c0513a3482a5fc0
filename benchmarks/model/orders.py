"""What a benchmark tells the process of a contender: a line of JSON each. Every answer is a line as well."""

import json
from dataclasses import asdict, dataclass

from benchmarks.model.workload import Workload


@dataclass(frozen=True, slots=True)
class TimeOrder:
    """Answered by tokens a second."""

    contender: str
    workload: Workload


@dataclass(frozen=True, slots=True)
class LogitsOrder:
    """Answered by "written", once the logits are in the file."""

    contender: str
    token_ids: tuple[int, ...]
    file: str


Order = TimeOrder | LogitsOrder


def order_to_line(order: Order) -> str:
    return json.dumps(asdict(order))


def order_from_line(line: str) -> Order:
    fields = json.loads(line)
    if "workload" in fields:
        return TimeOrder(fields["contender"], Workload(**fields["workload"]))
    return LogitsOrder(fields["contender"], tuple(fields["token_ids"]), fields["file"])
