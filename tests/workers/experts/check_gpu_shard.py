"""A shard whose experts are in a GPU's order, interpreted: the rows of one that is not."""

import pytest
import torch

from kernels import device
from model.gpu_experts import arrange_experts
from tests.workers.experts.shards import ARITHMETIC, load, shard_of, work
from workers.experts.shard import ExpertShard


def test_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = ExpertShard(ARITHMETIC, {})
    for expert_ids in ((5, 1), (3, 0, 6)):
        shard = shard.with_experts(2, arrange_experts(load({2: expert_ids}))[2])
    x, assignments = work([0, 2, 2, 1, 0], [3, 6, 5, 5, 1])
    found = shard.run_exactly(2, x, assignments)
    monkeypatch.setattr(device, "INTERPRETS", False)
    expected = shard_of({2: (0, 1, 3, 5, 6)}).run_exactly(2, x, assignments)
    assert torch.allclose(found, expected, atol=1e-5)  # float32 sums of some hundred products of size about 1
