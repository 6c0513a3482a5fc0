"""Local experts in any order, and what they refuse."""

import pytest
import torch

from kernels.route import Routing
from model.dummy import dummy_weights
from model.experts import LocalExperts
from model.weights import Selection
from protos.errors import ConfigError
from tests.model.tiny_model import TINY


def experts_held(expert_ids: tuple[int, ...]) -> LocalExperts:
    weights = dummy_weights(TINY, 5, Selection(layer_to_experts={2: expert_ids}))
    return LocalExperts(weights.experts, TINY.swiglu_limit, row_tile=None)


def test_the_order_in_which_experts_were_loaded_does_not_show() -> None:
    x = torch.randn(9, TINY.hidden_size)
    routing = Routing(
        expert_ids=torch.stack([torch.randperm(TINY.num_experts)[:4] for _ in range(9)]),
        weights=torch.softmax(torch.randn(9, 4), dim=-1),
    )
    in_order, shuffled = experts_held(tuple(range(7))), experts_held((3, 0, 6, 5, 1, 2, 4))
    assert torch.equal(in_order(2, x, routing), shuffled(2, x, routing))


def test_gaps_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"experts \(3, 4\) are here, with gaps"):
        experts_held((3, 4))
