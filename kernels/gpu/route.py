"""Routing on a GPU: of a token's gate logits, the top-k, and a softmax over those k alone.

                                        formula and reference: kernels/route.py
    logits [tokens, experts]            expert_ids [tokens, top_k] int64, weights [tokens, top_k] float32

A program takes one token and its greatest logit k times over, of equals the one with the lowest id. A logit
that is no number counts as the greatest: its token is lost, but its experts exist, and its neighbours are
served. How many tokens an expert has got is not counted here but where it is used (`kernels.gpu.plan`).

Must read the logits once and write k ids and weights.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from kernels.gpu.configs import ONE_WARP
from kernels.gpu.launch import Launch


@triton.jit
def route_body(
    logits_ptr: tl.tensor,
    expert_ids_ptr: tl.tensor,
    weights_ptr: tl.tensor,
    NUM_EXPERTS: tl.constexpr,
    ROOM: tl.constexpr,
    TOP_K: tl.constexpr,
    SLOTS: tl.constexpr,
) -> None:
    """ROOM and SLOTS: the powers of two that hold NUM_EXPERTS and TOP_K."""
    token = tl.program_id(0).to(tl.int64)
    expert = tl.arange(0, ROOM)
    slot = tl.arange(0, SLOTS)
    is_free = expert < NUM_EXPERTS
    logits = tl.load(logits_ptr + token * NUM_EXPERTS + expert, mask=is_free, other=0.0).to(tl.float32)
    chosen = tl.zeros((SLOTS,), dtype=tl.int32)
    values = tl.full((SLOTS,), float("-inf"), dtype=tl.float32)
    ranks = tl.where(logits != logits, float("inf"), logits)
    for index in tl.static_range(TOP_K):
        greatest = tl.max(tl.where(is_free, ranks, float("-inf")))
        winner = tl.min(tl.where(is_free & (ranks == greatest), expert, ROOM))
        chosen = tl.where(slot == index, winner, chosen)
        values = tl.where(slot == index, tl.sum(tl.where(expert == winner, logits, 0.0)), values)
        is_free = is_free & (expert != winner)
    best = tl.sum(tl.where(slot == 0, values, 0.0))
    shares = tl.exp(values - best)  # 0 behind TOP_K
    weights = shares / tl.sum(shares)
    at = token * TOP_K + slot
    tl.store(expert_ids_ptr + at, chosen.to(tl.int64), mask=slot < TOP_K)
    tl.store(weights_ptr + at, weights, mask=slot < TOP_K)


def route_launch(logits: Tensor, expert_ids: Tensor, weights: Tensor) -> Launch:
    assert logits.is_contiguous()
    num_tokens, num_experts = logits.shape
    top_k = expert_ids.shape[1]
    return Launch(
        route_body,
        (num_tokens,),
        {"logits_ptr": logits, "expert_ids_ptr": expert_ids, "weights_ptr": weights},
        {
            "NUM_EXPERTS": num_experts,
            "ROOM": triton.next_power_of_2(num_experts),
            "TOP_K": top_k,
            "SLOTS": triton.next_power_of_2(top_k),
        },
        ONE_WARP,
    )


def route(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """-> expert ids and weights. Called by `kernels.route.route`."""
    shape = (len(logits), top_k)
    expert_ids = torch.empty(shape, dtype=torch.int64, device=logits.device)
    weights = torch.empty(shape, dtype=torch.float32, device=logits.device)
    route_launch(logits, expert_ids, weights).run()
    return expert_ids, weights
