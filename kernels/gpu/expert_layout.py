"""Expert matrices as the GPU kernels read them: MXFP4, the same bits in another order, without loss.

    words [experts, in / 32, outs, 8] int16       scales [experts, ⌈in / 128⌉, outs, 4] uint8

- Block by block of the input: the 16 bytes of neighbouring outputs lie side by side, so a tile of any height
  is read in whole lines of memory.
- Scales go four blocks together, the last four padded with zeros: four bytes are the least that is copied to
  shared memory without waiting, and a loop that waits for its scales waits for memory in every turn.
- Nibble i of word j of a block holds value 8i + j (a checkpoint: value 4j + i). So each nibble of the words
  meets eight neighbouring values of the input, and nothing is shuffled while it runs.
- gate_up: all gate rows, then all up rows (a checkpoint: in turns). So gate and up are two tiles of one
  shape.

Made once, when weights come to the GPU (`model.on_gpu`); `checkpoint_order` undoes it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from kernels.mxfp4 import BLOCK_VALUES, PackedMatrix

SCALES_TOGETHER = 4
MAX_SCALE = 128
"""`kernels.gpu.fp4` multiplies by half of the scale, 2^(byte - 127), as a finite bfloat16."""


class ScaleOutOfRangeError(Exception):
    """A weight too large for the kernels; the message says which scale."""


@dataclass(frozen=True, slots=True)
class ArrangedMatrix:
    """The same linear layer of several experts."""

    words: Tensor  # [experts, in / 32, outs, 8] int16
    scales: Tensor  # [experts, ⌈in / 128⌉, outs, 4] uint8

    @property
    def width(self) -> int:
        """Of the input."""
        return self.words.shape[1] * BLOCK_VALUES

    @property
    def num_outs(self) -> int:
        return self.words.shape[2]


def arrange(packed: PackedMatrix, *, in_pairs: bool) -> ArrangedMatrix:
    """packed: [experts, outs, in]; `in_pairs`: gate and up rows alternate.

    The words take over the memory of the blocks, one expert after the other, since 65 GB do not lie twice on
    a GPU of 80: what `packed` says afterwards is nonsense.
    """
    largest = int(packed.scales.max()) if packed.scales.numel() else 0
    if largest > MAX_SCALE:
        raise ScaleOutOfRangeError(
            f"a block has the scale 2^{largest - 127}; the GPU kernels take up to 2^{MAX_SCALE - 127}, which "
            f"no trained model comes near: is the checkpoint damaged?"
        )
    num_experts, num_outs, num_blocks, _ = packed.blocks.shape
    words = packed.blocks.view(torch.int16).view(num_experts, num_blocks, num_outs, -1)
    for expert, blocks in enumerate(packed.blocks):
        rows = _halves_first(blocks) if in_pairs else blocks
        words[expert] = _words_of(rows.transpose(0, 1))
    scales = torch.stack([_halves_first(each) for each in packed.scales]) if in_pairs else packed.scales
    return ArrangedMatrix(words, _in_fours(scales))


def checkpoint_order(arranged: ArrangedMatrix, *, in_pairs: bool) -> PackedMatrix:
    """What `arrange` was given."""
    blocks = _bytes_of(arranged.words).transpose(1, 2)  # [experts, outs, in / 32, 16]
    scales = arranged.scales.transpose(1, 2).flatten(2)  # [experts, outs, in / 32 and padding]
    scales = scales[..., : blocks.shape[2]]
    if in_pairs:
        blocks, scales = _in_turns(blocks), _in_turns(scales)
    return PackedMatrix(blocks.contiguous(), scales.contiguous())


def _halves_first(rows: Tensor) -> Tensor:
    """[outs, …]: even rows, then odd rows."""
    return torch.cat((rows[0::2], rows[1::2]))


def _in_turns(rows: Tensor) -> Tensor:
    first, second = rows.chunk(2, dim=1)
    return torch.stack((first, second), dim=2).flatten(1, 2)


def _in_fours(scales: Tensor) -> Tensor:
    """[experts, outs, in / 32] -> [experts, ⌈in / 128⌉, outs, 4]"""
    padded = functional.pad(scales, (0, -scales.shape[2] % SCALES_TOGETHER))
    return padded.view(*scales.shape[:2], -1, SCALES_TOGETHER).transpose(1, 2).contiguous()


def _words_of(blocks: Tensor) -> Tensor:
    """[…, 16] uint8 of a checkpoint -> […, 8] int16"""
    nibbles = torch.stack((blocks & 15, blocks >> 4), dim=-1).flatten(
        -2
    )  # […, 32] in the order of the values
    first, second, third, fourth = nibbles.view(*nibbles.shape[:-1], 4, 8).unbind(-2)  # each […, 8]
    pairs = torch.stack((first | (second << 4), third | (fourth << 4)), dim=-1)  # […, 8, 2]
    return pairs.flatten(-2).view(torch.int16)


def _bytes_of(words: Tensor) -> Tensor:
    pairs = words.contiguous().view(torch.uint8).view(*words.shape, 2)  # […, 8, 2]
    low, high = pairs.unbind(-1)
    nibbles = torch.stack((low & 15, low >> 4, high & 15, high >> 4), dim=-2).flatten(-2)  # […, 32]
    return nibbles[..., 0::2] | (nibbles[..., 1::2] << 4)
