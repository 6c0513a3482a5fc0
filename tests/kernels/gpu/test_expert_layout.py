"""The GPU's order of expert weights: nothing lost, everything where the kernels look for it."""

import pytest
import torch

from kernels.gpu.expert_layout import MAX_SCALE, ScaleOutOfRangeError, arrange, checkpoint_order
from kernels.mxfp4 import PackedMatrix, dequantize

EXPERTS, OUTS, BLOCKS = 3, 10, 7


def random_matrix() -> PackedMatrix:
    blocks = torch.randint(0, 256, (EXPERTS, OUTS, BLOCKS, 16), dtype=torch.uint8)
    return PackedMatrix(blocks, torch.randint(0, MAX_SCALE + 1, (EXPERTS, OUTS, BLOCKS), dtype=torch.uint8))


def copied(packed: PackedMatrix) -> PackedMatrix:
    return PackedMatrix(packed.blocks.clone(), packed.scales.clone())


def test_no_second_copy_of_the_weights_is_made() -> None:
    packed = random_matrix()
    assert arrange(packed, in_pairs=True).words.data_ptr() == packed.blocks.data_ptr()


@pytest.mark.parametrize("in_pairs", [False, True])
def test_there_and_back(in_pairs: bool) -> None:
    packed = random_matrix()
    arranged = arrange(copied(packed), in_pairs=in_pairs)
    assert arranged.words.shape == (EXPERTS, BLOCKS, OUTS, 8)
    assert arranged.scales.shape == (EXPERTS, 2, OUTS, 4)
    assert (arranged.width, arranged.num_outs) == (BLOCKS * 32, OUTS)
    back = checkpoint_order(arranged, in_pairs=in_pairs)
    assert torch.equal(back.blocks, packed.blocks)
    assert torch.equal(back.scales, packed.scales)


@pytest.mark.parametrize("in_pairs", [False, True])
def test_every_value_is_where_the_kernels_look_for_it(in_pairs: bool) -> None:
    """One weight at a time: nibble i of word j of block b is value 32b + 8i + j."""
    table = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
    packed = random_matrix()
    dense = dequantize(packed, torch.float64)
    arranged = arrange(copied(packed), in_pairs=in_pairs)
    for row in range(OUTS):
        half, place = divmod(row, OUTS // 2)
        original = 2 * place + half if in_pairs else row
        for value in range(BLOCKS * 32):
            block, (nibble, word) = value // 32, divmod(value % 32, 8)
            code = int(arranged.words[1, block, row, word]) >> 4 * nibble & 15
            scale = int(arranged.scales[1, block // 4, row, block % 4])
            assert table[code].double() * 2.0 ** (scale - 127) == dense[1, original, value]


def test_a_scale_beyond_the_kernels_is_refused() -> None:
    packed = random_matrix()
    packed.scales[2, 3, 1] = MAX_SCALE + 1
    with pytest.raises(ScaleOutOfRangeError, match=r"scale 2\^2; the GPU kernels take up to 2\^1"):
        arrange(packed, in_pairs=False)
