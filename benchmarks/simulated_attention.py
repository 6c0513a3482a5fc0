"""An attention worker whose attention is a wait, and whose router is real: a process for `benchmarks.mesh`.

    python -m benchmarks.simulated_attention NUMBER JSON

It says when it is ready, waits for a line, runs its steps, and prints the seconds that a step took (the
median).
"""

import json
import sys
import time
from statistics import median

import torch

from benchmarks.simulated_step import (
    HIDDEN,
    NUM_EXPERTS,
    NUM_LAYERS,
    SimulatedMesh,
    attention_seconds,
    routing_of,
)
from router.exchange import Exchange, ExchangeSettings
from router.placement import Placement
from router.remote_experts import RemoteExperts, RemoteExpertsSettings
from router.topology import Topology


def main() -> int:
    number, told = int(sys.argv[1]), json.loads(sys.argv[2])
    mesh = SimulatedMesh(**told["mesh"])
    exchange = Exchange(ExchangeSettings(hedge=None), model="simulated")
    held = {
        f"expert-{worker}": dict.fromkeys(
            range(NUM_LAYERS), tuple(range(worker, NUM_EXPERTS, mesh.num_experts))
        )
        for worker in range(mesh.num_experts)
    }
    placement = Placement.of(1, held, num_layers=NUM_LAYERS, num_experts=NUM_EXPERTS)
    exchange.update(Topology(placement, dict(zip(held, told["addresses"], strict=True))))
    experts = RemoteExperts(exchange, f"attention-{number}", RemoteExpertsSettings())
    x = torch.zeros(mesh.num_tokens, HIDDEN, dtype=torch.bfloat16)
    experts(0, x, routing_of(mesh, number, 0, 0))
    print("ready", flush=True)
    sys.stdin.readline()
    seconds = [run_step(mesh, number, step, experts, x) for step in range(told["num_steps"] + 1)]
    print(median(seconds[1:]), flush=True)
    sys.stdin.read()
    exchange.close()
    return 0


def run_step(mesh: SimulatedMesh, number: int, step: int, experts: RemoteExperts, x: torch.Tensor) -> float:
    """x: [tokens, hidden] -> seconds, without the making of the gate's choices"""
    routings = [routing_of(mesh, number, step, layer) for layer in range(NUM_LAYERS)]
    began = time.perf_counter()
    for layer, routing in enumerate(routings):
        time.sleep(attention_seconds(mesh.num_tokens))
        experts(layer, x, routing)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
