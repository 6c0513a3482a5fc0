"""The experts' hand-written gradients against autograd's, in float64 and with sizes that all differ."""

import torch
from torch import Tensor

from examples.demo.trained_experts import Visits, run_experts

TOKENS, HIDDEN, WIDE, EXPERTS, TOP_K, LIMIT = 11, 6, 10, 5, 3, 0.7


def plainly(
    x: Tensor,
    expert_ids: Tensor,
    weights: Tensor,
    gate_up: Tensor,
    up_bias: Tensor,
    down: Tensor,
    bias: Tensor,
) -> Tensor:
    rows = []
    for token in range(TOKENS):
        row = torch.zeros(HIDDEN, dtype=x.dtype)
        for slot in range(TOP_K):
            expert = int(expert_ids[token, slot])
            gate, up = (gate_up[expert] @ x[token] + up_bias[expert]).chunk(2)
            gate, up = gate.clamp(max=LIMIT), up.clamp(-LIMIT, LIMIT)
            inner = gate * torch.sigmoid(1.702 * gate) * (up + 1)
            row = row + weights[token, slot] * (down[expert] @ inner + bias[expert])
        rows.append(row)
    return torch.stack(rows)


def test_values_and_gradients() -> None:
    generator = torch.Generator().manual_seed(4)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    x, weights = some(TOKENS, HIDDEN), some(TOKENS, TOP_K)
    gate_up, up_bias = some(EXPERTS, 2 * WIDE, HIDDEN), some(EXPERTS, 2 * WIDE)
    down, bias = some(EXPERTS, HIDDEN, WIDE), some(EXPERTS, HIDDEN)
    chosen = [torch.randperm(EXPERTS - 1, generator=generator)[:TOP_K] for _ in range(TOKENS)]
    expert_ids = torch.stack(chosen)  # the last expert is visited by nobody
    leaves = (x, weights, gate_up, up_bias, down, bias)

    found = run_experts(x, Visits.of(expert_ids, EXPERTS), weights, (gate_up, up_bias), (down, bias), LIMIT)
    expected = plainly(x, expert_ids, weights, gate_up, up_bias, down, bias)
    wanted = torch.randn(TOKENS, HIDDEN, generator=generator, dtype=torch.float64)
    found_gradients = torch.autograd.grad((found.double() * wanted).sum(), leaves)
    expected_gradients = torch.autograd.grad((expected * wanted).sum(), leaves)

    # Sums leave in float32, as the residual stream has them: seven digits.
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-6)
    for one, other in zip(found_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
