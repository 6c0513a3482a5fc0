"""A tiny model's experts, for tests of whoever hosts some of them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from kernels.group import Assignments
from model.dummy import dummy_weights
from model.weights import ExpertWeights, Selection
from router.placement import LayerToExperts
from tests.model.tiny_model import TINY
from workers.experts.expert_worker import ExpertWorker, ExpertWorkerSettings
from workers.experts.shard import ExpertArithmetic, ExpertShard

ARITHMETIC = ExpertArithmetic(TINY.num_experts, TINY.swiglu_limit)
WHOLE: LayerToExperts = dict.fromkeys(range(TINY.num_layers), tuple(range(TINY.num_experts)))


def load(layer_to_experts: LayerToExperts) -> Mapping[int, ExpertWeights]:
    return dummy_weights(TINY, 5, Selection(layer_to_experts=layer_to_experts)).experts


def shard_of(layer_to_experts: LayerToExperts) -> ExpertShard:
    """Freshly loaded."""
    shard = ExpertShard(ARITHMETIC, {})
    for layer, weights in load(layer_to_experts).items():
        shard = shard.with_experts(layer, weights)
    return shard


def worker_of(layer_to_experts: LayerToExperts, *, max_frame_bytes: int = 1 << 20) -> ExpertWorker:
    settings = ExpertWorkerSettings(
        name="expert-0",
        model="tiny",
        arithmetic_name="test",
        num_layers=TINY.num_layers,
        hidden_size=TINY.hidden_size,
        dtype=torch.float32,
        max_frame_bytes=max_frame_bytes,
    )
    worker = ExpertWorker(settings, ARITHMETIC, load)
    worker.load(layer_to_experts)
    return worker


def work(rows: list[int], experts: list[int]) -> tuple[Tensor, Assignments]:
    """-> x [rows, hidden], assignments"""
    x = torch.randn(max(rows) + 1, TINY.hidden_size, generator=torch.Generator().manual_seed(1))
    weights = torch.linspace(0.1, 0.9, len(rows))
    return x, Assignments(torch.tensor(rows), torch.tensor(experts), weights)
