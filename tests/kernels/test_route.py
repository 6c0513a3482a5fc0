import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.route import route


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=7, max_size=7), st.integers(1, 7))
def test_against_plain_python(logits: list[int], top_k: int) -> None:
    """Whole numbers make ties frequent; they go to the lower id."""
    chosen = sorted(range(7), key=lambda expert: (-logits[expert], expert))[:top_k]
    total = sum(math.exp(logits[expert]) for expert in chosen)
    routing = route(torch.tensor([logits]).float(), top_k)
    assert routing.expert_ids[0].tolist() == chosen
    expected = [math.exp(logits[expert]) / total for expert in chosen]
    assert routing.weights[0].tolist() == pytest.approx(expected, rel=1e-6)


def test_bfloat16_logits_give_float32_weights() -> None:
    routing = route(torch.randn(5, 9).bfloat16(), 4)
    assert routing.weights.dtype is torch.float32
    assert torch.allclose(routing.weights.sum(dim=-1), torch.ones(5), atol=1e-6)  # four float32 additions
