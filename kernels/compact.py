"""A bfloat16 matrix in twelve bits a value, every bit kept: a quarter less to hold, and to read.

The upper byte of a value is its sign and most of its exponent; sixteen of them cover nearly all values of a
trained matrix, so four bits name one. Kernels unpack it as they read (`kernels/cpu/compact_rows.h` says how
the bytes stand, `kernels.cpu.compact_kernels` makes one). The sums, to the last bit, are those of the matrix
as a checkpoint has it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

LINE_VALUES, LINE_BYTES = 64, 96
NUM_UPPER_BYTES = 16

_ROWS_AT_ONCE = 1024
"""That are unpacked at a time: names as indices take four times as much memory as values."""


@dataclass(frozen=True, slots=True)
class CompactMatrix:
    """[out, in]"""

    lines: Tensor  # [out, lines, LINE_BYTES] uint8
    has_others: Tensor  # [out, ⌈lines / 64⌉] int64: a bit for each line
    upper_bytes: Tensor  # [16] uint8: what names stand for
    others: Tensor  # [lines that have others, LINE_VALUES] uint8: all upper bytes of such a line

    @property
    def shape(self) -> torch.Size:
        num_outs, num_lines, _ = self.lines.shape
        return torch.Size((num_outs, num_lines * LINE_VALUES))

    @property
    def device(self) -> torch.device:
        return self.lines.device

    @property
    def nbytes(self) -> int:
        return sum(t.nbytes for t in (self.lines, self.has_others, self.upper_bytes, self.others))

    def unpacked(self) -> Tensor:
        """[out, in] bfloat16, as it was."""
        starts = range(0, self.shape[0], _ROWS_AT_ONCE)
        return torch.cat([self._unpacked(slice(start, start + _ROWS_AT_ONCE)) for start in starts])

    def _unpacked(self, rows: slice) -> Tensor:
        lines = self.lines[rows]  # [rows, lines, LINE_BYTES]
        halves = lines[..., LINE_VALUES:]  # [rows, lines, 32]
        names = torch.cat([halves & 0x0F, halves >> 4], dim=-1)  # [rows, lines, LINE_VALUES]
        upper = self.upper_bytes[names.long()]  # [rows, lines, LINE_VALUES]
        marked = self._lines_with_others(rows)  # [rows, lines] bool
        indices = halves[marked][:, :4].contiguous().view(torch.int32)[:, 0]  # [lines that have others]
        upper[marked] = self.others[indices.long()]
        pairs = torch.stack([lines[..., :LINE_VALUES], upper], dim=-1)  # [rows, lines, LINE_VALUES, 2]
        placed = pairs.view(*marked.shape, 4, 2, 8, 2).transpose(2, 3)  # [rows, lines, 2, 4, 8, 2]
        values: Tensor = placed.reshape(len(lines), self.shape[1], 2).view(torch.bfloat16).squeeze(-1)
        return values

    def _lines_with_others(self, rows: slice) -> Tensor:
        words = self.has_others[rows, :, None]  # [rows, words, 1]
        bits = words >> torch.arange(64, device=self.device) & 1  # [rows, words, 64]
        return bits.flatten(1)[:, : self.lines.shape[1]].bool()


Matrix = Tensor | CompactMatrix
"""What a dense layer multiplies with: [out, in]."""


def stored(matrix: Matrix) -> Tensor:
    """As a checkpoint has it."""
    return matrix if isinstance(matrix, Tensor) else matrix.unpacked()
