"""The whole gpt-oss-20b on a CPU within 16 GB: `python -m benchmarks.whole_model [--quick] --json F`.

All 24 layers with random weights, in a process of its own, whose resident memory the kernel counts at its
highest: weights, cache, code and what it took to make them. A token of a single sequence must read the
unembedding, every layer's attention and four of its experts; how long that takes at the speed at which the
same process reads its own weights is the limit of decoding. Steps and reads take turns.
"""

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from multiprocessing import get_context
from time import perf_counter

import torch

from benchmarks.interleaving import median_seconds
from benchmarks.kernel_meter import peak_memory
from benchmarks.report import BenchmarkError, Row, compared, run
from cluster.environment import cpu_kernel_settings
from cluster.plan.footprint import Footprint
from model.config import GPT_OSS_20B, ModelConfig, alternating_layers
from model.dummy import dummy_weights
from model.generate import generate
from model.local_model import LocalModel
from model.sampling.parameters import SamplingParameters
from workers.cache.free_memory import free_host_bytes

MEMORY_LIMIT = 16_000_000_000
MAX_POSITIONS = 8192
PREFILL = 256
NUM_TOKENS = 24  # timed one by one

QUICK_SIZE = replace(
    GPT_OSS_20B,
    layer_kinds=alternating_layers(2),
    hidden_size=384,
    intermediate_size=384,
    num_experts=8,
    vocab_size=8192,
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the process found of itself."""

    token_s: float
    prefill_s: float
    read_bytes_per_s: float  # of its unembedding
    token_bytes: int  # of weights, that a token of one sequence reads
    spared_bytes: int  # by compact matrices
    peak_bytes: int


def measure(quick: bool) -> Sequence[Row]:
    size = QUICK_SIZE if quick else GPT_OSS_20B
    config = replace(size, max_positions=MAX_POSITIONS)
    footprint = Footprint(config)
    _require_memory(footprint.whole)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh_process:
        found = fresh_process.submit(run_model, config, NUM_TOKENS).result()
    return [
        compared(
            "resident memory at its highest",
            "GB",
            found.peak_bytes / 1e9,
            peer_name="what a machine of 16 GB has",
            peer=MEMORY_LIMIT / 1e9,
            higher_is_better=False,
            goal=1.0,
        ),
        Row("weights as loaded", "GB", footprint.whole / 1e9),
        Row("weights as held", "GB", (footprint.whole - found.spared_bytes) / 1e9),
        compared(
            "decode 1",
            "tokens/s",
            1 / found.token_s,
            peer_name="reading a token's weights",
            peer=found.read_bytes_per_s / found.token_bytes,
            higher_is_better=True,
        ),
        Row(f"prefill {PREFILL}", "tokens/s", PREFILL / found.prefill_s),
    ]


def _require_memory(weight_bytes: int) -> None:
    free, needed = free_host_bytes(), int(1.1 * weight_bytes)
    if free < needed:
        raise BenchmarkError(
            f"{free / 1e9:.1f} GB of memory are free here and the model needs {needed / 1e9:.1f} GB; end "
            f"what takes it, or ask for --quick"
        )


def run_model(config: ModelConfig, num_tokens: int) -> Measured:
    """In a process that does nothing else."""
    weights = dummy_weights(config, seed=1, dtype=torch.float32)
    settings = cpu_kernel_settings()
    model = LocalModel.of(config, weights, cpu_kernels=settings, compact=True)
    del weights  # the model has taken over their memory
    unembedding = model.weights.unembedding
    assert unembedding is not None
    projection = unembedding.projection
    words = (projection if isinstance(projection, torch.Tensor) else projection.lines).view(torch.int64)
    prompt = torch.randint(config.vocab_size, (PREFILL,), generator=torch.Generator().manual_seed(1)).tolist()
    greedy = SamplingParameters(temperature=0)
    prefill_s = min(_seconds_to_first(model, prompt, greedy) for _ in range(2))
    tokens = generate(model, prompt[:8], greedy, num_tokens + 2)
    next(tokens)
    works = {"token": partial(next, tokens), "read": partial(torch.sum, words)}
    medians = median_seconds(works, num_tokens)
    dense = list(model.weights.dense_matrices)
    held = sum(matrix.nbytes for matrix in dense)
    experts = config.num_layers * config.experts_per_token * Footprint(config).expert
    return Measured(
        token_s=medians["token"],
        prefill_s=prefill_s,
        read_bytes_per_s=words.nbytes / medians["read"],
        token_bytes=held + experts,
        spared_bytes=sum(2 * matrix.shape.numel() for matrix in dense) - held,
        peak_bytes=peak_memory(),
    )


def _seconds_to_first(model: LocalModel, prompt: Sequence[int], parameters: SamplingParameters) -> float:
    begin = perf_counter()
    assert list(islice(generate(model, prompt, parameters, 1), 1))
    return perf_counter() - begin


if __name__ == "__main__":
    sys.exit(run("whole_model", ["torch"], measure))
