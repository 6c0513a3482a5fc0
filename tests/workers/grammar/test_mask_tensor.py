from array import array

import pytest
import torch

from workers.grammar.mask_tensor import unpack_masks
from workers.grammar.masks import words_per_row

CPU = torch.device("cpu")


@pytest.mark.parametrize("vocab_size", [5, 31, 32, 33, 299])
@pytest.mark.parametrize("num_rows", [1, 3])
def test_each_bit_becomes_one_truth(vocab_size: int, num_rows: int) -> None:
    expected = torch.rand(num_rows, vocab_size) < 0.3  # [rows, vocab]
    row_words = words_per_row(vocab_size)
    words = array("I", bytes(4 * num_rows * row_words))
    for row, token_id in expected.nonzero().tolist():
        words[row * row_words + token_id // 32] |= 1 << token_id % 32
    found = unpack_masks(words, num_rows, vocab_size, CPU)
    assert found.dtype == torch.bool
    assert torch.equal(found, expected)


def test_no_rows_are_an_empty_mask() -> None:
    assert unpack_masks(array("I"), 0, 299, CPU).shape == (0, 299)
