"""The parts in their order, until time is up."""

import sys
from collections.abc import Callable, Iterator, Sequence
from time import monotonic

import torch

from benchmarks.gpu.attention_cases import attention_cases
from benchmarks.gpu.case import Case, rows_of
from benchmarks.gpu.expert_cases import expert_cases
from benchmarks.gpu.row_cases import row_cases
from benchmarks.gpu.stage import Machine
from benchmarks.gpu.whole_model import model_rows
from benchmarks.report import Row


def run_parts(machine: Machine, time_limit_s: float) -> Sequence[Row]:
    torch.manual_seed(0)
    begin = monotonic()
    bandwidth = copy_bandwidth(machine)
    rows = [Row("copy: read and written", "GB/s", bandwidth / 1e9)]
    for part in _parts(machine, bandwidth):
        for row in part:
            rows.append(row)
            if monotonic() - begin > time_limit_s:
                print("time is up: what would come now is left out", file=sys.stderr)
                return rows
    return rows


def _parts(machine: Machine, bandwidth: float) -> Iterator[Iterator[Row]]:
    """The models first: they are what it is about, and what a short time should not cost."""
    for model in machine.sizes.models:
        yield model_rows(machine, model, bandwidth)
    makers: tuple[Callable[[Machine], Iterator[Case]], ...] = (expert_cases, attention_cases, row_cases)
    for make in makers:
        yield (row for case in make(machine) for row in rows_of(case, machine, bandwidth))


def copy_bandwidth(machine: Machine) -> float:
    """Bytes a second, both ways counted: what any kernel could reach."""
    source = torch.ones(machine.sizes.copy_bytes, dtype=torch.uint8, device=machine.device)
    target = torch.empty_like(source)
    return 2 * len(source) / machine.seconds(lambda: target.copy_(source))
