"""What travels for one layer of one step: rows, who shall have them, with which weights.

A `router.carrier.Carrier`, made by `router.remote_experts`. Not here: who is asked, and the sum of what
comes back.
"""

from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kernels.cpu.frame_kernels import DispatchWork, load_frame_kernels
from kernels.group import Assignments
from protos.errors import MalformedFrameError
from router.dispatch_frames import CombineMode, Dispatch, Reply
from router.dispatch_plan import Share
from router.frame import frame_bytes, header_of
from router.rows import RowFormat, check_rows, num_bytes, pack_rows, unpack_rows

_BYTES_OF_ASSIGNMENT = 12
_BYTES_OF_HEADER = 4096


class HostedExperts(Protocol):
    """Experts of this very process, if it has any."""

    def run(self, layer: int, x: Tensor, assignments: Assignments, mode: CombineMode) -> Tensor:
        """x: [rows, hidden], experts as the layer numbers them.

        -> [assignments, hidden] for EXACT, [rows, hidden] for REDUCED
        """
        ...


@dataclass(slots=True)
class Freight:
    """What travels for one layer of one step: a `Carrier`."""

    source: str
    layer: int
    x: Tensor  # [tokens, hidden]
    hidden: int
    weights: Tensor  # [tokens, top_k] float32, on the CPU
    mode: CombineMode
    row_format: RowFormat
    hosted: HostedExperts | None
    max_frame_bytes: int
    total: Tensor | None = None  # [tokens, hidden] on the CPU: room for the sum, once it is prepared

    @property
    def most_assignments(self) -> int:
        of_row = num_bytes(self.row_format, self.hidden)
        room = self.max_frame_bytes - _BYTES_OF_HEADER
        return max(1, room // (of_row + _BYTES_OF_ASSIGNMENT))

    def pack(self, share: Share, number: int, epoch: int) -> bytes:
        kernels = load_frame_kernels()
        if kernels is None or self.row_format is RowFormat.MXFP8:
            return self.pack_reference(share, number, epoch)
        num_rows, row_bytes = len(share.tokens), num_bytes(self.row_format, self.hidden)
        lengths = (_BYTES_OF_ASSIGNMENT * len(share.slots), row_bytes * num_rows)
        fields = (self.source, number, self.layer, epoch, self.row_format, self.mode, num_rows)
        header = header_of(fields, lengths)
        x = on_host(self.x)
        work = DispatchWork(
            share.rows.tobytes(),
            share.experts.tobytes(),
            share.slots.tobytes(),
            self.weights.data_ptr(),
            x.data_ptr(),
            share.tokens.tobytes(),
            row_bytes,
        )
        return kernels.write_dispatch(header, frame_bytes(header, lengths), work)

    def pack_reference(self, share: Share, number: int, epoch: int) -> bytes:
        """The definition, without what has to be built; and for rows that travel in other bytes."""
        numbers = np.empty((3, share.num_assignments), np.int32)
        numbers[0], numbers[1] = share.rows, share.experts
        numbers[2] = self._weights_of(share).view(np.int32)
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

    def prepare(self) -> None:
        self.total = torch.empty(self.x.shape, dtype=self.x.dtype)

    def check(self, share: Share, reply: Reply) -> None:
        num_rows = share.num_assignments if self.mode is CombineMode.EXACT else len(share.tokens)
        if reply.row_format is not self.row_format:
            raise MalformedFrameError(
                f"a reply has rows in {reply.row_format.name}, and {self.row_format.name} is wanted"
            )
        check_rows(reply.row_sections, reply.row_format, num_rows, self.hidden)

    def compute_here(self, share: Share) -> Reply:
        assert self.hosted is not None, "no share is for a process without experts"
        began = perf_counter()
        device = self.x.device
        assignments = Assignments(
            rows=torch.from_numpy(share.rows).to(device),
            experts=torch.from_numpy(share.experts).to(device),
            weights=torch.from_numpy(self._weights_of(share)).to(device),
        )
        rows = self._rows_of(share)
        if self.row_format is RowFormat.MXFP8:  # as a replica elsewhere would see them
            rows = _as_they_travel(rows)
        rows = self.hosted.run(self.layer, rows, assignments, self.mode)
        compute_us = int((perf_counter() - began) * 1e6)
        return Reply(0, compute_us, self.row_format, pack_rows(rows, self.row_format))

    def _weights_of(self, share: Share) -> NDArray[np.float32]:
        """-> [assignments]"""
        weights: NDArray[np.float32] = self.weights.numpy().ravel()[share.slots]
        return weights

    def _rows_of(self, share: Share) -> Tensor:
        """-> [rows, hidden]"""
        if len(share.tokens) == self.x.shape[0]:
            return self.x
        return self.x[torch.from_numpy(share.tokens).to(self.x.device)]


def on_host(tensor: Tensor) -> Tensor:
    """Where nothing is to be done, asking torch for that takes longer than looking."""
    return tensor if tensor.is_cpu and tensor.is_contiguous() else tensor.cpu().contiguous()


def _as_they_travel(rows: Tensor) -> Tensor:
    """rows: [rows, hidden] -> what MXFP8 leaves of them"""
    num_rows, hidden = rows.shape
    sections = pack_rows(rows, RowFormat.MXFP8)
    return unpack_rows(sections, RowFormat.MXFP8, num_rows, hidden, rows.dtype).to(rows.device)
