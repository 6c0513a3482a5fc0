"""Every kernel as the released models launch it, on tensors that have a shape and no memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.gpu.expert_layout import ArrangedMatrix
from kernels.gpu.launch import Launch
from kernels.gpu.moe_down import down_launch
from kernels.gpu.moe_gate_up import gate_up_launch
from kernels.gpu.plan import empty_groups, order_launch, tiles_launch, tiles_of
from kernels.group import Assignments
from model.config import GPT_OSS_20B, GPT_OSS_120B, ModelConfig


@dataclass(frozen=True)
class Case:
    name: str
    launch: Launch
    multiplies: bool = False  # on the matrix unit


def like(*shape: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    return torch.empty(shape, dtype=dtype, device="meta")


def integers(*shape: int) -> Tensor:
    return like(*shape, dtype=torch.int64)


def every_case() -> Iterator[Case]:
    yield from experts("20b decode", GPT_OSS_20B, 4)
    yield from experts("120b short", GPT_OSS_120B, 1024)
    yield from experts("20b prefill", GPT_OSS_20B, 8192)


def arranged(num_experts: int, outs: int, width: int) -> ArrangedMatrix:
    return ArrangedMatrix(
        words=like(num_experts, width // 32, outs, 8, dtype=torch.int16),
        scales=like(num_experts, -(-width // 128), outs, 4, dtype=torch.uint8),
    )


def experts(name: str, config: ModelConfig, num_tokens: int) -> Iterator[Case]:
    count, hidden, intermediate = config.num_experts, config.hidden_size, config.intermediate_size
    num_assignments = num_tokens * config.experts_per_token
    work = Assignments(
        integers(num_assignments), integers(num_assignments), like(num_assignments, dtype=torch.float32)
    )
    groups = empty_groups(work.experts, count)
    x, y, rows = like(num_tokens, hidden), like(num_assignments, intermediate), like(num_assignments, hidden)
    up, below = arranged(count, 2 * intermediate, hidden), arranged(count, hidden, intermediate)
    limit = config.swiglu_limit
    yield Case(f"{name}: order", order_launch(work.experts, count, groups))
    yield Case(f"{name}: tiles", tiles_launch(groups.offsets, tiles_of(groups)))
    yield Case(
        f"{name}: gate_up",
        gate_up_launch(x, work, groups, up, like(count, 2 * intermediate), limit, y),
        multiplies=True,
    )
    yield Case(
        f"{name}: down", down_launch(y, work, groups, below, like(count, hidden), rows), multiplies=True
    )
