"""Which experts are arranged. What arranging does is checked where the kernels are: check_gpu_forward.py."""

import pytest
import torch

from model.gpu_experts import gpu_kernels_take


@pytest.mark.parametrize(
    ("device", "activations", "deterministic", "taken"),
    [
        ("cuda:1", torch.bfloat16, False, True),
        ("cpu", torch.bfloat16, False, False),
        ("cuda", torch.float32, False, False),
        ("cuda", torch.bfloat16, True, False),
    ],
)
def test_only_what_the_kernels_take(
    device: str, activations: torch.dtype, deterministic: bool, taken: bool
) -> None:
    assert gpu_kernels_take(device, activations, deterministic=deterministic) is taken
