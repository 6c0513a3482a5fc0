"""Unpacks the bits of `FilledMasks` into the mask that the sampler takes. Only this file needs torch."""

from array import array

import torch
from torch import Tensor

from workers.grammar.masks import words_per_row

_EIGHT_COPIES = 0x0101_0101_0101_0101
"""Times a byte: that byte eight times."""
_ONE_BIT_IN_EACH = 0x8040_2010_0804_0201 - (1 << 64)
"""The lowest bit in the lowest byte, the second in the second, …"""


def unpack_masks(words: "array[int]", num_rows: int, vocab_size: int, device: torch.device) -> Tensor:
    """[rows, vocab] bool, true where a token is allowed. Bits travel packed and are spread on the device."""
    assert len(words) == num_rows * words_per_row(vocab_size)
    if not num_rows:
        return torch.empty(0, vocab_size, dtype=torch.bool, device=device)  # [0, vocab]
    packed = torch.frombuffer(words, dtype=torch.uint8).view(num_rows, -1).to(device)  # [rows, row bytes]
    spread = (packed.long() * _EIGHT_COPIES) & _ONE_BIT_IN_EACH  # [rows, row bytes], eight bytes each
    return (spread.view(torch.uint8) != 0)[:, :vocab_size]  # [rows, vocab]
