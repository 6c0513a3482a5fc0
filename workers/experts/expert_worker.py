"""An expert worker: hosts a shard, computes what frames ask, counts which experts are wanted.

A plain class; gRPC around it is `workers.experts.service`, Ray around that is `cluster.ray`. It begins empty,
and hosts what it is told to. While experts come or go it computes on.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels.group import Assignments
from model.experts import HeldExperts
from protos.errors import ExpertMeshError, OversizedFrameError, StaleEpochError
from router.dispatch_frames import CombineMode, Dispatch, Hello, Reply
from router.frame import Frame
from router.placement import LayerToExperts
from router.rows import RowFormat, check_rows, num_bytes, pack_rows, unpack_rows
from workers.experts.shard import ExpertArithmetic, ExpertShard, sum_by_row
from workers.experts.turns import Turns

LoadExperts = Callable[[LayerToExperts], Mapping[int, HeldExperts]]
"""Reads experts from wherever they are."""

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ExpertWorkerSettings:
    """What a worker is told when it is made."""

    name: str
    model: str  # the model's fingerprint
    arithmetic_name: str  # what its rows' bits depend on, in a word
    num_layers: int
    hidden_size: int
    dtype: torch.dtype  # of the arithmetic; rows that travel exactly come in it
    device: str = "cpu"
    capacity_bytes: int | None = None  # that experts may take
    credits: int = 4
    max_frame_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True)
class ExpertLoads:
    """Since the worker began: how many tokens wanted each expert, in how many dispatches somebody did."""

    tokens: Counts  # [layers, experts]
    visits: Counts  # [layers, experts]


class ExpertWorker:
    """A `FrameHandler`."""

    def __init__(
        self, settings: ExpertWorkerSettings, arithmetic: ExpertArithmetic, load: LoadExperts
    ) -> None:
        self.settings = settings
        self._load = load
        self._shard = ExpertShard(arithmetic, {})
        self._epoch = 0
        self._changing = threading.Lock()  # one load or retirement at a time; computing needs no lock
        self._turns = Turns(self._compute)
        counts = (settings.num_layers, arithmetic.num_experts)
        self._tokens, self._visits = np.zeros(counts, np.int64), np.zeros(counts, np.int64)

    @property
    def shard(self) -> ExpertShard:
        return self._shard

    @property
    def epoch(self) -> int:
        """Frames that were planned before it are refused."""
        return self._epoch

    @property
    def loads(self) -> ExpertLoads:
        return ExpertLoads(self._tokens.copy(), self._visits.copy())

    def hello(self) -> Hello:
        made = self.settings
        return Hello(
            made.name, made.model, made.arithmetic_name, self._epoch, made.credits, made.max_frame_bytes
        )

    def load(self, layer_to_experts: LayerToExperts) -> None:
        """Host these too, layer by layer, so that no more than a layer is ever there twice."""
        with self._changing:
            here = self._shard.layer_to_experts
            for layer, experts in layer_to_experts.items():
                missing = tuple(expert for expert in experts if expert not in here.get(layer, ()))
                if missing:
                    loaded = self._load({layer: missing})
                    self._shard = self._shard.with_experts(layer, loaded[layer])

    def retain(self, epoch: int, layer_to_experts: LayerToExperts) -> None:
        """Host none but these from now on, and take no frame that was planned before `epoch`."""
        with self._changing:
            self._epoch = max(self._epoch, epoch)
            self._shard = self._shard.with_only(layer_to_experts)

    def answer(self, frame: Frame) -> bytes:
        return self._turns.run(Dispatch.of(frame)).encode()

    def _compute(self, dispatches: Sequence[Dispatch]) -> list[Reply | Exception]:
        """Dispatches of one layer and one type of rows are computed as one."""
        outcomes: list[Reply | Exception | None] = [None] * len(dispatches)
        groups: dict[tuple[int, torch.dtype], list[int]] = {}
        for index, dispatch in enumerate(dispatches):
            try:
                self._check(dispatch)
            except ExpertMeshError as error:
                outcomes[index] = error
                continue
            groups.setdefault((dispatch.layer, self._dtype_of(dispatch)), []).append(index)
        for members in groups.values():
            replies = self._compute_together([dispatches[index] for index in members])
            for index, outcome in zip(members, replies, strict=True):
                outcomes[index] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _compute_together(self, dispatches: Sequence[Dispatch]) -> Sequence[Reply | Exception]:
        try:
            return self._run(dispatches)
        except Exception as error:
            if len(dispatches) == 1:
                return [error]
            return [outcome for each in dispatches for outcome in self._compute_together([each])]

    def _run(self, dispatches: Sequence[Dispatch]) -> list[Reply]:
        began = perf_counter()
        layer, device = dispatches[0].layer, self.settings.device
        parts = [self._rows_of(each) for each in dispatches]
        x = (parts[0] if len(parts) == 1 else torch.cat(parts)).to(device)  # [rows of all, hidden]
        first_rows = np.cumsum([0, *(each.num_rows for each in dispatches)])
        rows = np.concatenate(
            [each.rows + first for each, first in zip(dispatches, first_rows, strict=False)]
        )
        experts = np.concatenate([each.experts for each in dispatches]).astype(np.int64)
        weights = np.concatenate([each.weights for each in dispatches])
        assignments = Assignments(*(torch.from_numpy(each).to(device) for each in (rows, experts, weights)))
        result = self._shard.run_exactly(layer, x, assignments)  # [assignments of all, hidden]
        self._count(layer, experts)
        results = torch.split(result, [each.num_assignments for each in dispatches])
        sums = [_reduced(each, part) for each, part in zip(dispatches, results, strict=True)]
        compute_us = int((perf_counter() - began) * 1e6)
        return [
            Reply(each.number, compute_us, each.row_format, pack_rows(part, each.row_format))
            for each, part in zip(dispatches, sums, strict=True)
        ]

    def _check(self, dispatch: Dispatch) -> None:
        made = self.settings
        num_reply_bytes = dispatch.num_assignments * num_bytes(dispatch.row_format, made.hidden_size)
        if num_reply_bytes > made.max_frame_bytes:  # a few bytes may ask for a row as often as they like
            raise OversizedFrameError(
                f"a frame asks for {dispatch.num_assignments} rows, {num_reply_bytes} bytes; at most "
                f"{made.max_frame_bytes} are computed at once"
            )
        check_rows(dispatch.row_sections, dispatch.row_format, dispatch.num_rows, made.hidden_size)
        if dispatch.epoch < self._epoch:
            raise StaleEpochError(
                f"a frame was planned in epoch {dispatch.epoch}; worker {self.settings.name} has let experts "
                f"go since then, and takes frames from epoch {self._epoch} on"
            )

    def _rows_of(self, dispatch: Dispatch) -> Tensor:
        """-> [rows, hidden]"""
        made = self.settings
        return unpack_rows(
            dispatch.row_sections,
            dispatch.row_format,
            dispatch.num_rows,
            made.hidden_size,
            self._dtype_of(dispatch),
        )

    def _dtype_of(self, dispatch: Dispatch) -> torch.dtype:
        match dispatch.row_format:
            case RowFormat.FLOAT32:
                return torch.float32
            case RowFormat.BFLOAT16:
                return torch.bfloat16
            case RowFormat.MXFP8:
                return self.settings.dtype

    def _count(self, layer: int, experts: Counts) -> None:
        counts = np.bincount(experts, minlength=self._tokens.shape[1])
        self._tokens[layer] += counts
        self._visits[layer] += counts > 0


def _reduced(dispatch: Dispatch, rows: Tensor) -> Tensor:
    """rows: [assignments, hidden] -> as the sender wants them."""
    if dispatch.combine is CombineMode.EXACT:
        return rows
    return sum_by_row(
        rows, torch.from_numpy(dispatch.rows.astype(np.int64)).to(rows.device), dispatch.num_rows
    )
