"""A layer's experts with gradients: tokens sorted by expert, two matrix products an expert, and back.

Gate rows and up rows lie one after the other here, and interleaved in a checkpoint (`export`). Not here: who
chooses the experts (`network`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

_ALPHA = 1.702


_ROWS = 64
"""Experts get multiples of so many rows: for each new shape a matrix library writes its code anew."""


@dataclass(frozen=True, slots=True)
class Visits:
    """Which rows each expert gets: P places, expert by expert, of which some at each expert's end are empty.

    An assignment is a token's visit to one expert; A = tokens * top_k of them.
    """

    tokens: Tensor  # [P] int64: whose row it is; of an empty place any
    places: Tensor  # [A] int64: where each assignment lies
    counts: list[int]  # places of each expert
    top_k: int

    @classmethod
    def of(cls, expert_ids: Tensor, num_experts: int) -> "Visits":
        """expert_ids: [tokens, top_k]"""
        chosen = expert_ids.flatten()
        order = torch.argsort(chosen, stable=True)  # [A]: assignments, expert by expert
        taken = torch.bincount(chosen, minlength=num_experts)  # [experts]
        counts = (taken + _ROWS - 1) // _ROWS * _ROWS
        empty_before = torch.cumsum(counts - taken, dim=0) - (counts - taken)
        places = torch.empty_like(order)
        places[order] = torch.arange(len(order)) + empty_before.repeat_interleave(taken)
        tokens = torch.zeros(int(counts.sum()), dtype=torch.int64)
        tokens[places] = torch.arange(len(order)) // expert_ids.shape[1]
        return cls(tokens, places, counts.tolist(), expert_ids.shape[1])


def run_experts(
    x: Tensor,
    visits: Visits,
    weights: Tensor,
    gate_up: tuple[Tensor, Tensor],
    down: tuple[Tensor, Tensor],
    limit: float,
) -> Tensor:
    """x: [tokens, hidden], weights: [tokens, top_k] -> [tokens, hidden] float32.

    `gate_up` and `down`: matrices [experts, out, in] and biases [experts, out], in x's dtype.
    """
    gathered: Tensor = _Gather.apply(x, visits)  # type: ignore[no-untyped-call]
    widened: Tensor = _Linears.apply(gathered, *gate_up, visits.counts)  # type: ignore[no-untyped-call]
    activated: Tensor = _ClampedSwiglu.apply(widened, limit)  # type: ignore[no-untyped-call]
    rows: Tensor = _Linears.apply(activated, *down, visits.counts)  # type: ignore[no-untyped-call]
    summed: Tensor = _Combine.apply(rows, weights, visits)  # type: ignore[no-untyped-call]
    return summed


class _Gather(torch.autograd.Function):
    """A row for every place; back, those of a token's assignments are summed."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, visits: Visits) -> Tensor:
        ctx.visits = visits  # type: ignore[attr-defined]
        return x.index_select(0, visits.tokens)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        visits: Visits = ctx.visits  # type: ignore[attr-defined]
        per_slot = gradient.index_select(0, visits.places).view(-1, visits.top_k, gradient.shape[-1])
        return per_slot.sum(dim=1), None


class _Linears(torch.autograd.Function):
    """Each expert's rows through its own matrix. x: [P, in] -> [P, out]"""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, matrices: Tensor, biases: Tensor, counts: list[int]) -> Tensor:
        ctx.save_for_backward(x, matrices)
        ctx.counts = counts  # type: ignore[attr-defined]
        out = x.new_empty(len(x), matrices.shape[1])
        pieces = zip(torch.split(out, counts), torch.split(x, counts), matrices, biases, strict=True)
        for piece, rows, matrix, bias in pieces:
            torch.addmm(bias, rows, matrix.T, out=piece)
        return out

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, matrices = ctx.saved_tensors  # type: ignore[attr-defined]
        counts: list[int] = ctx.counts  # type: ignore[attr-defined]
        of_x, of_matrices = torch.empty_like(x), torch.empty_like(matrices)
        of_biases = gradient.new_empty(matrices.shape[:2])
        pieces = zip(
            torch.split(gradient, counts), torch.split(x, counts), torch.split(of_x, counts), strict=True
        )
        for expert, (down, rows, up) in enumerate(pieces):
            torch.mm(down, matrices[expert], out=up)
            torch.mm(down.T, rows, out=of_matrices[expert])
            torch.sum(down, dim=0, out=of_biases[expert])
        return of_x, of_matrices, of_biases, None


class _Combine(torch.autograd.Function):
    """Σ over a token's slots of weight · row. rows: [P, hidden], weights: [tokens, top_k] -> [tokens,
    hidden]"""

    @staticmethod
    def forward(ctx: FunctionCtx, rows: Tensor, weights: Tensor, visits: Visits) -> Tensor:
        per_slot = rows.index_select(0, visits.places).view(*weights.shape, -1)
        ctx.save_for_backward(per_slot, weights)
        ctx.visits = visits  # type: ignore[attr-defined]
        return torch.bmm(weights[:, None, :].to(rows.dtype), per_slot)[:, 0].float()

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        per_slot, weights = ctx.saved_tensors  # type: ignore[attr-defined]
        visits: Visits = ctx.visits  # type: ignore[attr-defined]
        narrow = gradient.to(per_slot.dtype)
        of_weights = torch.bmm(per_slot, narrow[:, :, None])[..., 0].float()
        moved = torch.bmm(weights[:, :, None].to(narrow.dtype), narrow[:, None, :])  # [tokens, top_k, hidden]
        of_rows = narrow.new_zeros(len(visits.tokens), narrow.shape[1])
        return of_rows.index_copy_(0, visits.places, moved.flatten(0, 1)), of_weights, None


class _ClampedSwiglu(torch.autograd.Function):
    """gate · σ(1.702 · gate) · (up + 1), of clamped gate and up, with its derivative written out."""

    @staticmethod
    def forward(ctx: FunctionCtx, widened: Tensor, limit: float) -> Tensor:
        ctx.save_for_backward(widened)
        ctx.limit = limit  # type: ignore[attr-defined]
        gate, up = widened.chunk(2, dim=-1)
        gate, up = gate.clamp(max=limit), up.clamp(-limit, limit)
        return torch.sigmoid(gate * _ALPHA).mul_(gate).mul_(up.add_(1))

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        (widened,) = ctx.saved_tensors  # type: ignore[attr-defined]
        limit: float = ctx.limit  # type: ignore[attr-defined]
        gate, up = widened.chunk(2, dim=-1)
        clamped = gate.clamp(max=limit)
        sigmoid = torch.sigmoid(clamped * _ALPHA)
        silu = clamped * sigmoid
        slope = (1 - sigmoid).mul_(clamped).mul_(_ALPHA).add_(1).mul_(sigmoid)  # of gate · σ(α · gate)
        of_gate = slope.mul_(up.clamp(-limit, limit).add_(1)).mul_(gradient)
        of_up = silu.mul_(gradient)
        inside = torch.ops.aten.hardtanh_backward  # no gradient passes where a clamp has cut
        return torch.cat(
            (inside(of_gate, gate, -torch.inf, limit), inside(of_up, up, -limit, limit)), dim=-1
        ), None
