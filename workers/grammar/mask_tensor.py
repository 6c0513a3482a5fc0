"""Unpacks the bits of `FilledMasks` into the mask that the sampler takes. Only this file needs torch."""

from array import array

import torch
from torch import Tensor

from workers.grammar.masks import words_per_row


def unpack_masks(words: "array[int]", num_rows: int, vocab_size: int, device: torch.device) -> Tensor:
    """[rows, vocab] bool, true where a token is allowed. Bits travel packed and are spread on the device."""
    assert len(words) == num_rows * words_per_row(vocab_size)
    if not num_rows:
        return torch.empty(0, vocab_size, dtype=torch.bool, device=device)  # [0, vocab]
    packed = torch.frombuffer(words, dtype=torch.uint8).view(num_rows, -1).to(device)  # [rows, row bytes]
    bits = torch.tensor([1 << bit for bit in range(8)], dtype=torch.uint8, device=device)  # [8]
    spread = (packed[:, :, None] & bits) != 0  # [rows, row bytes, 8]
    return spread.view(num_rows, -1)[:, :vocab_size]  # [rows, vocab]
