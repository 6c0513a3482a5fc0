import torch

from kernels.combine import combine


def test_slots_are_added_in_order_in_float32() -> None:
    # 2^24 + 1 is lost in float32; in another order it would not be.
    rows = torch.tensor([[[2.0**24], [1.0], [-(2.0**24)]], [[2.0**24], [-(2.0**24)], [1.0]]])
    assert combine(rows).tolist() == [[0.0], [1.0]]


def test_bfloat16_rows_are_rounded_once() -> None:
    rows = torch.randn(5, 4, 33).bfloat16()
    assert torch.equal(combine(rows), rows.double().sum(dim=1).float().bfloat16())
