"""A model folder, checked as a whole when it is opened, and any slice of its weights loaded from it.

Nothing is read or allocated but what the selection names, and experts stay packed. Not here: the format of
the files (`safetensors_header`, `safetensors_file`), the two layouts (`layouts`), writing
(`writer`). Called by whoever starts a model: workers, the single process, tests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from reprlib import repr as short
from typing import Self

import torch
from torch import Tensor

from kernels.mxfp4 import NAN_SCALE
from model.checkpoint.assembly import assemble
from model.checkpoint.layouts import Layout, detect_layout
from model.checkpoint.progress import NoProgress, Progress
from model.checkpoint.reads import TensorRead, run_reads
from model.checkpoint.safetensors_header import TensorEntry
from model.checkpoint.tensor_folder import scan_folder
from model.checkpoint.weight_names import Weight
from model.config import ModelConfig
from model.config.config_file import CONFIG_NAME, load_config
from model.config.weight_shapes import SCALES
from model.host_memory import empty_tensor
from model.weights import ModelWeights, Selection
from protos.errors import TensorMismatchError, TensorMissingError, TensorSurplusError, TensorValueError

NUM_THREADS = 2
"""Measured on two cores, where four were no faster. Never measured on more cores."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder whose files hold exactly the tensors that its configuration promises."""

    config: ModelConfig
    layout: Layout
    tensors: Mapping[str, TensorEntry]

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read config.json and every header; raises the first thing that is wrong."""
        config = load_config(folder)
        tensors = scan_folder(folder)
        layout = detect_layout(config, tensors)
        if layout is None:
            raise TensorMissingError(
                f"{folder}: expected tensors of gpt-oss in the Hugging Face or the original layout, found "
                f"{short(sorted(tensors))}"
            )
        _check_tensors(folder, config, layout, tensors)
        return cls(config, layout, tensors)

    def num_bytes(self, selection: Selection) -> int:
        """What `load` will read."""
        plan = _LoadPlan(self, "meta", None)
        assemble(self.config, selection, plan)
        return sum(read.num_bytes for read in plan.reads)

    def load(
        self,
        selection: Selection,
        *,
        progress: Progress | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        num_threads: int = NUM_THREADS,
    ) -> ModelWeights:
        """`dtype` is that of the activations, in which dense weights come; without it they stay bfloat16.

        On a CPU matrices stay so in any case: its kernels widen them as they read. Experts always do.
        """
        plan = _LoadPlan(self, device, dtype)
        weights = assemble(self.config, selection, plan)
        run_reads(plan.reads, progress or NoProgress(), num_threads)
        for scales in plan.scales:
            _refuse_nan(scales)
        return weights


@dataclass(frozen=True, slots=True)
class _Scales:
    """Where scales came from, so that a bad one can be named."""

    entry: TensorEntry
    expert_ids: tuple[int, ...]
    tensor: Tensor  # [experts, out, in / 32]


class _LoadPlan:
    """A `TensorSource` that allocates each tensor and notes the reads that will fill it."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device | str, dtype: torch.dtype | None) -> None:
        self._checkpoint = checkpoint
        self._device = device
        self._dtype = dtype
        self.reads: list[TensorRead] = []
        self.scales: list[_Scales] = []

    def dense(self, weight: Weight) -> Tensor:
        config, layout = self._checkpoint.config, self._checkpoint.layout
        shape = weight.shape(config)
        tensor = empty_tensor(shape, self._dtype_of(weight, shape), self._device)
        for part in layout.parts(config, weight):
            rows = tensor[part.first_row : part.first_row + part.spec.shape[0]]
            self.reads.append(TensorRead(self._checkpoint.tensors[part.spec.name], 0, rows))
        return tensor

    def _dtype_of(self, weight: Weight, shape: tuple[int, ...]) -> torch.dtype:
        is_widened_later = len(shape) == 2 and torch.device(self._device).type == "cpu"
        return weight.dtype if self._dtype is None or is_widened_later else self._dtype

    def experts(self, weight: Weight, expert_ids: tuple[int, ...]) -> Tensor:
        [part] = self._checkpoint.layout.parts(self._checkpoint.config, weight)
        entry = self._checkpoint.tensors[part.spec.name]
        row_shape = part.spec.shape[1:]
        tensor = empty_tensor((len(expert_ids), *row_shape), weight.dtype, self._device)
        first_row = 0
        for run in consecutive_runs(expert_ids):
            rows = tensor[first_row : first_row + len(run)]
            self.reads.append(TensorRead(entry, run.start * prod(row_shape), rows))
            first_row += len(run)
        if weight.name in SCALES:
            self.scales.append(_Scales(entry, expert_ids, tensor))
        return tensor


def consecutive_runs(ids: tuple[int, ...]) -> Iterator[range]:
    """(4, 5, 2, 3) gives 4–5, then 2–3: one read each."""
    start = 0
    for end in range(1, len(ids) + 1):
        if end == len(ids) or ids[end] != ids[end - 1] + 1:
            yield range(ids[start], ids[end - 1] + 1)
            start = end


def _check_tensors(
    folder: Path, config: ModelConfig, layout: Layout, tensors: Mapping[str, TensorEntry]
) -> None:
    expected = {part.spec.name: part.spec for part in layout.every_part(config)}
    for name, spec in expected.items():
        entry = tensors.get(name)
        if entry is None:
            raise TensorMissingError(
                f"{folder}: tensor {name!r}: expected {spec.description}, found in no file"
            )
        if entry.spec != spec:
            raise TensorMismatchError(
                f"{entry}: expected {spec.description} by {CONFIG_NAME}, found {entry.spec.description}"
            )
    for name, entry in tensors.items():
        if name not in expected:
            raise TensorSurplusError(
                f"{entry}: expected no tensor of that name in the {layout.title} layout with "
                f"{config.num_layers} layers, found {entry.spec.description}"
            )


def _refuse_nan(scales: _Scales) -> None:
    if scales.tensor.numel() == 0 or int(scales.tensor.amax()) != NAN_SCALE:
        return
    expert, row, block = (scales.tensor == NAN_SCALE).nonzero()[0].tolist()
    raise TensorValueError(
        f"{scales.entry}: expert {scales.expert_ids[expert]}, row {row}, block {block}: expected a scale "
        f"below {NAN_SCALE}, found {NAN_SCALE}, which means NaN"
    )
