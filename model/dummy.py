"""Random weights of any configuration, for tests, demonstrations and benchmarks.

Every (weight, layer, expert) has a generator of its own, so any slice is bit-equal with the same slice of the
whole: workers that invent their shares separately hold one model. The values neither blow up nor quench the
activations, however many layers. Not here: files (`model.checkpoint.writer` writes these weights).
"""

import hashlib
import math
import os
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Generator, Tensor

from model.checkpoint.assembly import assemble
from model.checkpoint.weight_names import Weight
from model.config import ModelConfig
from model.config.weight_shapes import PACKED, SCALES, WeightName
from model.host_memory import empty_tensor
from model.weights import ModelWeights, Selection

_CHUNK_ELEMENTS = 1 << 22
_SCALE_BIAS = 127
_FP4_RMS = math.sqrt(sum(value**2 for value in (0, 0.5, 1, 1.5, 2, 3, 4, 6)) / 8)
_NUM_EXPONENTS = 4
_EXPONENT_RMS = math.sqrt(sum(4**step for step in range(_NUM_EXPONENTS)) / _NUM_EXPONENTS)


def dummy_weights(
    config: ModelConfig,
    seed: int,
    selection: Selection | None = None,
    *,
    dtype: torch.dtype = torch.bfloat16,
) -> ModelWeights:
    """The whole model, or the selected slice of the same model, for activations of `dtype`.

    As a checkpoint of these weights would be loaded on a CPU: matrices are bfloat16 in any case.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        source = _DummySource(config, seed, pool, dtype)
        weights = assemble(config, selection or Selection.whole(config), source)
        for filled in source.fills:
            filled.result()
    return weights


class _DummySource:
    """A `TensorSource` that has its tensors filled by the pool."""

    def __init__(self, config: ModelConfig, seed: int, pool: ThreadPoolExecutor, dtype: torch.dtype) -> None:
        self._config = config
        self._seed = seed
        self._pool = pool
        self._dtype = dtype
        self.fills: list[Future[None]] = []

    def dense(self, weight: Weight) -> Tensor:
        tensor = empty_tensor(weight.shape(self._config), weight.dtype)
        filling = self._fill(weight, None, tensor)
        if tensor.dim() == 2:
            return tensor
        filling.result()  # soon: vectors are short
        return tensor.to(self._dtype)

    def experts(self, weight: Weight, expert_ids: tuple[int, ...]) -> Tensor:
        shape = weight.shape(self._config)[1:]
        tensor = empty_tensor((len(expert_ids), *shape), weight.dtype)  # [selected experts, …]
        for expert, row in zip(expert_ids, tensor, strict=True):
            self._fill(weight, expert, row)
        return tensor

    def _fill(self, weight: Weight, expert: int | None, tensor: Tensor) -> Future[None]:
        key = f"{self._seed}/{weight}/{expert}"
        filling = self._pool.submit(_fill, self._config, weight.name, key, tensor)
        self.fills.append(filling)
        return filling


def _fill(config: ModelConfig, name: WeightName, key: str, tensor: Tensor) -> None:
    generator = Generator()  # it keeps the lower 32 bits of its seed
    generator.manual_seed(int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little"))
    for piece in torch.split(tensor.view(-1), _CHUNK_ELEMENTS):
        _convert(config, name, _random_bytes(piece.numel(), generator), piece)


def _random_bytes(num_bytes: int, generator: Generator) -> Tensor:
    words = torch.empty(-(-num_bytes // 8), dtype=torch.int64)
    words.random_(-(2**63), None, generator=generator)
    return words.view(torch.uint8)[:num_bytes]


def _convert(config: ModelConfig, name: WeightName, random_bytes: Tensor, piece: Tensor) -> None:
    if name in SCALES:
        piece.copy_(random_bytes).remainder_(_NUM_EXPONENTS).add_(_lowest_scale(config, name))
    elif name in PACKED:
        piece.copy_(random_bytes)
    else:
        mean, deviation = _mean_and_deviation(config, name)
        # Odd numbers from -255 to 255 are exact in bfloat16 and never zero. Uniform, not normal, because that
        # takes no function whose last bit differs from one processor to the next.
        piece.copy_(random_bytes.view(torch.int8)).mul_(2).add_(1)
        piece.mul_(deviation * math.sqrt(3) / 256).add_(mean)


def _lowest_scale(config: ModelConfig, name: WeightName) -> int:
    """The lowest of four scales with which a row of random blocks keeps the size of its input."""
    in_features = config.hidden_size if name == WeightName.GATE_UP_SCALES else config.intermediate_size
    factor = 1 / (math.sqrt(in_features) * _FP4_RMS * _EXPONENT_RMS)
    return _SCALE_BIAS + round(math.log2(factor))


def _mean_and_deviation(config: ModelConfig, name: WeightName) -> tuple[float, float]:
    """Matrices keep the size of their input; norms scatter around one, all else around zero."""
    match name:
        case WeightName.EMBEDDING | WeightName.SINKS:
            return 0.0, 1.0
        case WeightName.QKV_WEIGHT | WeightName.GATE_WEIGHT | WeightName.UNEMBEDDING:
            return 0.0, config.hidden_size**-0.5
        case WeightName.OUTPUT_WEIGHT:
            return 0.0, config.query_width**-0.5
        case WeightName.ATTENTION_NORM | WeightName.MOE_NORM | WeightName.FINAL_NORM:
            return 1.0, 0.2
        case _:  # the biases
            return 0.0, 0.1
