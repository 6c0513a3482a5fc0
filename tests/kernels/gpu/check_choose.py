"""Choosing tokens, interpreted, against the reference: filters alone and together, ties, the draw."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kernels.choose import Draws, choose_reference
from kernels.gpu.choose import choose, choose_launch
from kernels.gpu.configs import CHOOSE_BLOCK

ROWS = 3


def draws(vocab: int, rows: int = ROWS) -> Draws:
    """Temperature 1, no filter, seeds and positions beyond 32 bits."""

    def whole(value: float) -> Tensor:
        return torch.full((rows,), value, dtype=torch.float64)

    return Draws(
        temperature=whole(1.0),
        top_k=torch.full((rows,), vocab),
        top_p=whole(1.0),
        min_p=whole(0.0),
        seeds=torch.randint(-(2**62), 2**62, (rows,)),
        positions=torch.randint(0, 2**40, (rows,)),
        choices=torch.randint(0, 2**31, (rows,)),
    )


def agree(scores: Tensor, wanted: Draws) -> bool:
    token_ids = torch.full((len(scores),), -1)
    choose_launch(scores, wanted, token_ids).run()
    return torch.equal(token_ids, choose_reference(scores, wanted))


@pytest.mark.parametrize("vocab", [1, 50, CHOOSE_BLOCK + 70])
def test_without_filters(vocab: int) -> None:
    scores = torch.randn(ROWS, vocab) * 2
    wanted = draws(vocab)
    assert agree(scores, wanted)
    assert agree(scores, replace(wanted, temperature=torch.tensor([0.0, 5.0, 1e-300]).double()))


def test_the_greatest_of_equals_is_the_first() -> None:
    scores = torch.zeros(2, CHOOSE_BLOCK + 9)
    scores[0, [CHOOSE_BLOCK + 1, 4000, 77]] = 3.0
    wanted = replace(draws(scores.shape[1], 2), temperature=torch.zeros(2).double())
    assert choose(scores, wanted).tolist() == [77, 0]


@pytest.mark.parametrize("is_tied", [False, True])
@pytest.mark.parametrize(
    ("top_k", "top_p", "min_p"),
    [
        (1, 1.0, 0.0),
        (7, 1.0, 0.0),
        (40, 0.6, 0.0),
        (1000, 0.9, 0.0),
        (1000, 1e-9, 0.0),
        (1000, 1.0, 0.2),
        (9, 0.5, 0.1),
    ],
)
def test_filters(top_k: int, top_p: float, min_p: float, is_tied: bool) -> None:
    vocab = 120
    scores = torch.randn(ROWS, vocab)
    if is_tied:
        scores = scores.mul(2).round() / 2  # many equals, some at every bound
    wanted = replace(
        draws(vocab),
        top_k=torch.full((ROWS,), min(top_k, vocab)),
        top_p=torch.full((ROWS,), top_p).double(),
        min_p=torch.full((ROWS,), min_p).double(),
    )
    assert agree(scores, wanted)


def test_a_bound_among_equals_keeps_the_lowest_ids() -> None:
    scores = torch.full((16, 30), -1.0)
    scores[:, [3, 9, 20, 28]] = 1.0
    wanted = replace(draws(30, 16), top_k=torch.full((16,), 2))
    assert set(choose(scores, wanted).tolist()) == {3, 9}
    wanted = replace(draws(30, 16), top_p=torch.full((16,), 0.3).double())  # of 7.5
    assert set(choose(scores, wanted).tolist()) <= {3, 9, 20}
    assert agree(scores, wanted)


def test_what_is_excluded_is_never_chosen() -> None:
    scores = torch.randn(20, 50)
    scores[:, ::2] = -torch.inf
    wanted = draws(50, 20)
    assert agree(scores, wanted)
    assert (choose(scores, wanted) % 2 == 1).all()
