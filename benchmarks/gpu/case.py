"""One kernel at one size: what runs, what it should give, what it must move; and its rows of the report."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gpu.stage import Machine
from benchmarks.report import Row, compared


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    run: Callable[[], Tensor]
    reference: Callable[[], Tensor]  # float64
    num_bytes: int
    goal: float | None = None  # of the copy's bandwidth
    gather: Callable[[Tensor], Tensor] = lambda result: result  # what is compared, where that is more


def rows_of(case: Case, machine: Machine, bandwidth: float) -> Iterator[Row]:
    yield compared(
        f"{case.name}: error",
        "‖Δ‖/‖ref‖",
        max(relative_error(case.gather(case.run()), case.reference()), 1e-12),
        peer_name="limit",
        peer=machine.error_limit,
        higher_is_better=False,
        goal=1.0,
    )
    yield compared(
        case.name,
        "GB/s",
        case.num_bytes / machine.seconds(case.run) / 1e9,
        peer_name="copy",
        peer=bandwidth / 1e9,
        higher_is_better=True,
        goal=case.goal,
    )


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float(torch.linalg.norm(found.double() - expected) / torch.linalg.norm(expected))


def num_bytes(*tensors: Tensor) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
