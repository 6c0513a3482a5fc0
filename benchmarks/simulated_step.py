"""Steps of a mesh of simulated accelerators: what they would take by a roofline, and what they take.

The accelerators are slow ones on purpose: a hundredth of an H100, because all processes of the mesh share the
cores of the machine that measures, and the question is what the router adds to a step, not to a microsecond.
"""

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from statistics import median

import numpy as np
import torch

from benchmarks.child_process import child
from kernels.route import Routing

HIDDEN, NUM_EXPERTS, TOP_K, NUM_LAYERS = 2880, 128, 4, 12
BYTES_OF_EXPERT = 3 * HIDDEN * HIDDEN * 17 // 32  # gate, up and down in MXFP4
BYTES_OF_ATTENTION = 2 * HIDDEN * (2 * 4096 + 2 * 512)  # the dense matrices of a layer in bfloat16
BYTES_PER_S, FLOPS_PER_S = 3.35e12 / 100, 400e12 / 100


@dataclass(frozen=True, slots=True)
class SimulatedMesh:
    """`num_tokens` are those of each attention worker's step."""

    num_attention: int
    num_experts: int
    num_tokens: int


@dataclass(frozen=True, slots=True)
class StepTimes:
    achieved_s: float
    ideal_s: float


def expert_seconds(num_assignments: int, num_visited: int) -> float:
    """Reading the visited experts, or multiplying, whichever takes longer."""
    flops = 2 * num_assignments * 3 * HIDDEN * HIDDEN
    return max(num_visited * BYTES_OF_EXPERT / BYTES_PER_S, flops / FLOPS_PER_S)


def attention_seconds(num_tokens: int) -> float:
    """Of a layer, without its experts."""
    flops = num_tokens * BYTES_OF_ATTENTION
    return max(BYTES_OF_ATTENTION / BYTES_PER_S, flops / FLOPS_PER_S)


def routing_of(mesh: SimulatedMesh, attention: int, step: int, layer: int) -> Routing:
    """The gate's choices, the same for whoever asks."""
    generator = np.random.default_rng((attention, step, layer))
    chosen = np.stack([generator.choice(NUM_EXPERTS, TOP_K, replace=False) for _ in range(mesh.num_tokens)])
    return Routing(torch.from_numpy(chosen), torch.full(chosen.shape, 1 / TOP_K))


def ideal_seconds(mesh: SimulatedMesh, step: int) -> float:
    """Of each layer the slowest way through it, or the busiest expert worker, if that takes longer."""
    total = 0.0
    for layer in range(NUM_LAYERS):
        seconds = np.zeros((mesh.num_attention, mesh.num_experts))
        for attention in range(mesh.num_attention):
            chosen = routing_of(mesh, attention, step, layer).expert_ids.numpy()
            for worker in range(mesh.num_experts):
                own = chosen[chosen % mesh.num_experts == worker]
                if len(own):
                    seconds[attention, worker] = expert_seconds(len(own), len(np.unique(own)))
        way = attention_seconds(mesh.num_tokens) + seconds.max()
        total += max(way, seconds.sum(axis=0).max())
    return total


def step_times(mesh: SimulatedMesh, num_steps: int) -> StepTimes:
    """All attention workers run at once; the first step does not count."""
    with ExitStack() as stack:
        experts = [
            stack.enter_context(child("benchmarks.simulated_accelerator", [f"expert-{number}"], threads=1))
            for number in range(mesh.num_experts)
        ]
        addresses = [worker.hear() for worker in experts]
        told = json.dumps({"mesh": asdict(mesh), "addresses": addresses, "num_steps": num_steps})
        attention = [
            stack.enter_context(child("benchmarks.simulated_attention", [str(number), told], threads=1))
            for number in range(mesh.num_attention)
        ]
        for worker in attention:
            worker.hear()
        for worker in attention:
            worker.tell("go")
        achieved = [float(worker.hear()) for worker in attention]
    return StepTimes(median(achieved), median(ideal_seconds(mesh, step) for step in range(1, num_steps + 1)))
