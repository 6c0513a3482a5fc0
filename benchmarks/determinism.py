"""What deterministic mode costs: `python -m benchmarks.determinism [--quick] --json F`.

The same model in both modes, in turns: 20b-shaped layers in float32. The peer is our own default mode, so a
ratio below one is the price. "dense" rows run everything but the experts, which answer at once: there the
price is that of matmuls. Whole rows add the experts, whose CPU kernels are the same in both modes.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.interleaving import median_seconds
from benchmarks.report import Row, compared, run
from kernels.cpu.settings import DEFAULT_SETTINGS
from kernels.route import Routing
from model.checkpoint import Checkpoint, write_checkpoint
from model.compact_weights import compact_weights
from model.config import GPT_OSS_20B, ModelConfig, alternating_layers
from model.dummy import dummy_weights
from model.gpt_oss import GptOss
from model.local_model import LocalModel
from model.page_pool import PagePool
from model.pages import SequencePages
from model.step_batch import SequenceChunk, StepBatch
from model.weights import ModelWeights, Selection

OURS, PEER = "deterministic", "default mode"
CONTEXT = 128
PAGE_SIZE = 16

FULL_SIZE = replace(GPT_OSS_20B, layer_kinds=alternating_layers(2), vocab_size=8192, max_positions=4096)
QUICK_SIZE = replace(FULL_SIZE, hidden_size=384, intermediate_size=384, num_experts=8)


@dataclass(frozen=True, slots=True)
class Workload:
    """A step of `num_sequences` sequences that bring `num_tokens` each."""

    name: str
    num_sequences: int
    num_tokens: int
    with_experts: bool


WORKLOADS = (
    Workload("dense, prefill 256", 1, 256, False),
    Workload("dense, decode 1", 1, 1, False),
    Workload("dense, decode 16", 16, 1, False),
    Workload("whole, prefill 256", 1, 256, True),
    Workload("whole, decode 1", 1, 1, True),
    Workload("whole, decode 16", 16, 1, True),
)


class InstantExperts:
    """Answers at once, so that only the dense layers are timed."""

    def __call__(self, layer: int, x: Tensor, routing: Routing) -> Tensor:  # noqa: ARG002 - a protocol
        return x


def measure(quick: bool) -> Sequence[Row]:
    config = QUICK_SIZE if quick else FULL_SIZE
    weights = compact_weights(float32_weights(config), DEFAULT_SETTINGS)
    models = {
        OURS: LocalModel.of(config, weights, deterministic=True),
        PEER: LocalModel.of(config, weights),
    }
    print(f"row tile proven on this machine: {models[OURS].row_tile}", file=sys.stderr)
    return [_row(models, workload, 5 if workload.with_experts else 9) for workload in WORKLOADS]


def float32_weights(config: ModelConfig) -> ModelWeights:
    with tempfile.TemporaryDirectory(prefix="expertmesh-determinism-") as name:
        write_checkpoint(config, dummy_weights(config, seed=1), Path(name))
        return Checkpoint.open(Path(name)).load(Selection.whole(config), dtype=torch.float32)


def _row(models: Mapping[str, LocalModel], workload: Workload, num_rounds: int) -> Row:
    seconds = median_seconds({name: _Step(model, workload) for name, model in models.items()}, num_rounds)
    num_tokens = workload.num_sequences * workload.num_tokens
    return compared(
        workload.name,
        "tokens/s",
        num_tokens / seconds[OURS],
        peer_name=PEER,
        peer=num_tokens / seconds[PEER],
        higher_is_better=True,
    )


class _Step:
    """One forward pass that may be repeated: it writes the same slots each time."""

    def __init__(self, model: LocalModel, workload: Workload) -> None:
        num_positions = CONTEXT + workload.num_tokens
        num_pages = 2 * workload.num_sequences * (num_positions // PAGE_SIZE + 1)
        pool = PagePool(num_pages)
        chunks = []
        for _ in range(workload.num_sequences):
            pages = SequencePages(pool, PAGE_SIZE, model.config.sliding_window)
            pages.make_room(num_positions)
            chunks.append(SequenceChunk([7] * workload.num_tokens, CONTEXT, pages))
        self._batch = StepBatch.build(chunks)
        self._cache = model.allocate_cache(num_pages, PAGE_SIZE)
        self._forward_pass = model.forward_pass
        if not workload.with_experts:
            self._forward_pass = GptOss(model.config, model.weights, InstantExperts(), model.row_tile)

    def __call__(self) -> Tensor:
        return self._forward_pass.forward(self._batch, self._cache)


if __name__ == "__main__":
    sys.exit(run("determinism", ["torch"], measure))
