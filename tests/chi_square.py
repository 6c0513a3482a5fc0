"""Pearson's chi-square test, for draws that are fixed by their seeds.

Such a test passes always or never. Its threshold says how unlucky the fixed draws would have to be for a
right sampler to fail: at 1e-4, one seed in ten thousand. (A wrong one gets far below; the tests show it.)
"""

from collections.abc import Sequence

import torch

FALSE_ALARM = 1e-4


def p_value(observed: Sequence[int], expected: Sequence[float]) -> float:
    """How often right draws would lie at least this far from what is expected."""
    assert min(expected) >= 5, "the approximation by chi-square needs at least five expected in every cell"
    statistic = sum((seen - due) ** 2 / due for seen, due in zip(observed, expected, strict=True))
    freedom = len(observed) - 1
    halves = torch.tensor([freedom / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(halves[0], halves[1]))
