"""What the mesh costs, and how it scales: `python -m benchmarks.mesh [--quick] --json F`.

Real work: tokens per second of an attention worker with two expert workers, in processes of their own,
against single mode on the same cores, in turns. Simulated accelerators: attention and expert workers that
wait as long as a roofline says instead of computing, with the real router, gRPC and processes between them;
how close a step comes to the time that the accelerators alone would need.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import torch

from benchmarks.child_process import child
from benchmarks.engine import FULL_SIZE, NUM_REQUESTS, QUICK_SIZE, engine_tokens_per_s
from benchmarks.interleaving import interleaved_medians
from benchmarks.report import Row, compared, run
from benchmarks.simulated_step import SimulatedMesh, step_times
from kernels.cpu.settings import DEFAULT_SETTINGS
from model.checkpoint import Checkpoint, write_checkpoint
from model.checkpoint.fingerprint import fingerprint
from model.compact_weights import compact_weights
from model.config import ModelConfig
from model.dummy import dummy_weights
from model.local_model import LocalModel
from model.weights import Selection
from router.exchange import Exchange, ExchangeSettings
from router.placement import Placement
from router.remote_experts import RemoteExperts, RemoteExpertsSettings
from router.topology import Topology
from workers.experts.control import ExpertControl

LOAD_TIMEOUT_S = 300.0


def measure(quick: bool) -> Sequence[Row]:
    rows = [against_single_mode(quick)]
    meshes = [(1, 1), (1, 2), (2, 4)] if quick else [(1, 1), (1, 2), (1, 4), (1, 8), (2, 4), (4, 8)]
    for num_attention, num_experts in meshes:
        for num_tokens in (1, 64):
            rows += simulated(SimulatedMesh(num_attention, num_experts, num_tokens), quick)
    return rows


def against_single_mode(quick: bool) -> Row:
    config, num_tokens = (QUICK_SIZE, 8) if quick else (FULL_SIZE, 16)
    with tempfile.TemporaryDirectory(prefix="expertmesh-mesh-") as name:
        folder = Path(name)
        write_checkpoint(config, dummy_weights(config, seed=1), folder)
        checkpoint = Checkpoint.open(folder)
        weights = checkpoint.load(Selection.whole(config), dtype=torch.float32)
        weights = compact_weights(weights, DEFAULT_SETTINGS)
        single = LocalModel.of(config, weights)
        with two_expert_workers(folder, config, fingerprint(checkpoint)) as experts:
            mesh = LocalModel.of(config, weights, experts=experts)
            speeds = interleaved_medians(
                {
                    "mesh": partial(engine_tokens_per_s, mesh, num_tokens),
                    "single": partial(engine_tokens_per_s, single, num_tokens),
                },
                num_rounds=2 if quick else 5,
            )
    return compared(
        f"{NUM_REQUESTS} requests at once, 1 attention and 2 expert workers",
        "tokens/s",
        speeds["mesh"],
        peer_name="single mode",
        peer=speeds["single"],
        higher_is_better=True,
    )


@contextmanager
def two_expert_workers(folder: Path, config: ModelConfig, model: str) -> Iterator[RemoteExperts]:
    """Each hosts every other expert of every layer, and computes with one thread."""
    exchange = Exchange(ExchangeSettings(), model=model)
    with ExitStack() as stack:
        stack.callback(exchange.close)
        addresses, held = {}, {}
        for number in range(2):
            worker = f"expert-{number}"
            process = stack.enter_context(child("workers.experts.process", [str(folder), worker], threads=1))
            addresses[worker] = process.hear().removeprefix("listening on ")
            experts = tuple(range(number, config.num_experts, 2))
            held[worker] = dict.fromkeys(range(config.num_layers), experts)
            control = ExpertControl(addresses[worker])
            control.load(held[worker], LOAD_TIMEOUT_S)
            control.close()
        placement = Placement.of(1, held, num_layers=config.num_layers, num_experts=config.num_experts)
        exchange.update(Topology(placement, addresses))
        yield RemoteExperts(exchange, "attention-0", RemoteExpertsSettings())


def simulated(mesh: SimulatedMesh, quick: bool) -> list[Row]:
    times = step_times(mesh, num_steps=5 if quick else 20)
    return [
        compared(
            f"{mesh.num_attention} attention, {mesh.num_experts} expert workers, {mesh.num_tokens} tokens",
            "ms a step",
            times.achieved_s * 1e3,
            peer_name="accelerators alone",
            peer=times.ideal_s * 1e3,
            higher_is_better=False,
        )
    ]


if __name__ == "__main__":
    sys.exit(run("mesh", ["torch", "grpcio"], measure))
