"""Muon: momentum whose matrices are made nearly orthogonal before they are applied.

For the matrices inside a network, experts one by one; embeddings, gates, norms and biases go with AdamW
(`training`).
"""

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration that brings singular values near one (K. Jordan, 2024)."""
_STEPS = 5


class Muon(torch.optim.Optimizer):
    """Parameters are matrices, or stacks of them along the first axis."""

    def __init__(self, parameters: list[nn.Parameter], lr: float, momentum: float, decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        assert closure is None, "gradients are there before a step"
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                average: Tensor = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                direction = parameter.grad.lerp(average, group["momentum"])  # Nesterov's
                rows, columns = parameter.shape[-2:]
                scale = max(1.0, rows / columns) ** 0.5
                parameter.mul_(1 - group["lr"] * group["decay"])
                parameter.add_(orthogonal(direction), alpha=-group["lr"] * scale)


def orthogonal(matrices: Tensor) -> Tensor:
    """[..., rows, columns] -> matrices with the same singular vectors and singular values near one,
    float32."""
    a, b, c = _COEFFICIENTS
    x: Tensor = matrices.bfloat16()
    is_tall = x.shape[-2] > x.shape[-1]
    if is_tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        squared = x @ x.mT
        x = a * x + (b * squared + c * squared @ squared) @ x
    upright: Tensor = x.mT if is_tall else x
    return upright.float()
