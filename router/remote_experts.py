"""The experts of a mesh, as the forward pass sees them: rows out to the workers, their rows summed.

With CombineMode.EXACT the sum is slot by slot, as in one process, so its bits do not depend on who computed
what or how often it had to be sent. Not here: who is asked, and what happens when workers fail
(`router.exchange`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels.combine import RowPiece, combine_pieces
from kernels.group import Assignments
from kernels.route import Routing
from protos.errors import MalformedFrameError
from router.dispatch_frames import CombineMode, Dispatch, Reply
from router.dispatch_plan import Integers, Share
from router.errand import Finished
from router.exchange import Exchange
from router.rows import RowFormat, check_rows, exact_format, exact_rows, num_bytes, pack_rows, unpack_rows

_BYTES_OF_ASSIGNMENT = 12
_BYTES_OF_HEADER = 4096


class HostedExperts(Protocol):
    """Experts of this very process, if it has any."""

    def run(self, layer: int, x: Tensor, assignments: Assignments, mode: CombineMode) -> Tensor:
        """x: [rows, hidden], experts as the layer numbers them.

        -> [assignments, hidden] for EXACT, [rows, hidden] for REDUCED
        """
        ...


@dataclass(frozen=True, slots=True)
class RemoteExpertsSettings:
    """How rows travel."""

    combine: CombineMode = CombineMode.EXACT
    mxfp8: bool = False  # half the bytes of bfloat16, and fewer bits
    max_frame_bytes: int = 64 << 20


class RemoteExperts:
    """An `Experts` for `model.gpt_oss`. Called by the thread that computes."""

    def __init__(
        self,
        exchange: Exchange,
        source: str,
        settings: RemoteExpertsSettings,
        hosted: HostedExperts | None = None,
    ) -> None:
        self._exchange = exchange
        self._source = source
        self._settings = settings
        self._hosted = hosted

    def __call__(self, layer: int, x: Tensor, routing: Routing) -> Tensor:
        mode = self._settings.combine
        row_format = RowFormat.MXFP8 if self._settings.mxfp8 else exact_format(x.dtype)
        expert_ids: Integers = _on_host(routing.expert_ids).numpy()
        weights: NDArray[np.float32] = _on_host(routing.weights).numpy().ravel()
        most = min(self._settings.max_frame_bytes, self._exchange.settings.max_frame_bytes)
        freight = _Freight(self._source, layer, x, weights, mode, row_format, self._hosted, most)
        finished = self._exchange.run(layer, expert_ids, freight)
        if mode is CombineMode.EXACT:
            return _sum_exactly(finished, x, expert_ids.shape[1])
        return _sum_partial_sums(finished, x)


class _Freight(NamedTuple):
    """What travels for one layer of one step: a `Carrier`."""

    source: str
    layer: int
    x: Tensor  # [tokens, hidden]
    weights: NDArray[np.float32]  # [tokens * top_k]
    mode: CombineMode
    row_format: RowFormat
    hosted: HostedExperts | None
    max_frame_bytes: int

    @property
    def most_assignments(self) -> int:
        of_row = num_bytes(self.row_format, self.x.shape[1])
        room = self.max_frame_bytes - _BYTES_OF_HEADER
        return max(1, room // (of_row + _BYTES_OF_ASSIGNMENT))

    def pack(self, share: Share, number: int, epoch: int) -> bytes:
        numbers = np.empty((3, share.num_assignments), np.int32)
        numbers[0], numbers[1] = share.rows, share.experts
        numbers[2] = self.weights[share.slots].view(np.int32)
        rows = pack_rows(self._rows_of(share), self.row_format)
        return Dispatch(
            self.source,
            number,
            self.layer,
            epoch,
            self.row_format,
            self.mode,
            len(share.tokens),
            rows,
            numbers,
        ).encode()

    def check(self, share: Share, reply: Reply) -> None:
        num_rows = share.num_assignments if self.mode is CombineMode.EXACT else len(share.tokens)
        if reply.row_format is not self.row_format:
            raise MalformedFrameError(
                f"a reply has rows in {reply.row_format.name}, and {self.row_format.name} is wanted"
            )
        check_rows(reply.row_sections, reply.row_format, num_rows, self.x.shape[1])

    def compute_here(self, share: Share) -> Reply:
        assert self.hosted is not None, "no share is for a process without experts"
        began = perf_counter()
        device = self.x.device
        assignments = Assignments(
            rows=torch.from_numpy(share.rows).to(device),
            experts=torch.from_numpy(share.experts).to(device),
            weights=torch.from_numpy(self.weights[share.slots]).to(device),
        )
        rows = self._rows_of(share)
        if self.row_format is RowFormat.MXFP8:  # as a replica elsewhere would see them
            rows = _as_they_travel(rows)
        rows = self.hosted.run(self.layer, rows, assignments, self.mode)
        compute_us = int((perf_counter() - began) * 1e6)
        return Reply(0, compute_us, self.row_format, pack_rows(rows, self.row_format))

    def _rows_of(self, share: Share) -> Tensor:
        """-> [rows, hidden]"""
        if len(share.tokens) == self.x.shape[0]:
            return self.x
        return self.x[torch.from_numpy(share.tokens).to(self.x.device)]


def _on_host(tensor: Tensor) -> Tensor:
    """On a CPU nothing is to be done, and asking torch for that takes longer than looking."""
    return tensor if tensor.is_cpu else tensor.cpu()


def _as_they_travel(rows: Tensor) -> Tensor:
    """rows: [rows, hidden] -> what MXFP8 leaves of them"""
    num_rows, hidden = rows.shape
    sections = pack_rows(rows, RowFormat.MXFP8)
    return unpack_rows(sections, RowFormat.MXFP8, num_rows, hidden, rows.dtype).to(rows.device)


def _sum_exactly(finished: Sequence[Finished], x: Tensor, top_k: int) -> Tensor:
    num_tokens, hidden = x.shape
    pieces = [
        RowPiece(
            share.slots,
            exact_rows(reply.row_sections, reply.row_format, share.num_assignments, hidden, x.dtype),
        )
        for share, reply in finished
    ]
    return combine_pieces(pieces, (num_tokens, top_k, hidden), x.dtype).to(x.device)


def _sum_partial_sums(finished: Sequence[Finished], x: Tensor) -> Tensor:
    total = torch.zeros(x.shape, dtype=torch.float32)  # [tokens, hidden]
    for share, reply in finished:
        tokens = torch.from_numpy(share.tokens)
        rows = unpack_rows(reply.row_sections, reply.row_format, len(tokens), x.shape[1], x.dtype)
        total.index_add_(0, tokens, rows.float())
    return total.to(x.device, x.dtype)
