import torch
from torch import nn

from examples.demo.muon import Muon, orthogonal


def test_singular_values_come_near_one() -> None:
    """Between 0.6 and 1.3: the iteration is made to be fast, not exact, and runs in bfloat16."""
    matrices = torch.randn(3, 24, 40, generator=torch.Generator().manual_seed(1))
    for each in (matrices, matrices.mT):
        values = torch.linalg.svdvals(orthogonal(each))
        assert values.min() > 0.6
        assert values.max() < 1.3


def test_a_step_goes_down_by_its_rate() -> None:
    parameter = nn.Parameter(torch.zeros(2, 8, 4))
    wanted = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(2))
    (parameter * wanted).sum().backward()  # type: ignore[no-untyped-call]
    Muon([parameter], lr=0.1, momentum=0.9, decay=0.0).step()
    moved = parameter.detach()
    assert (moved * wanted).sum() < 0
    expected = 0.1 * (8 / 4) ** 0.5  # tall matrices move further
    norms = torch.linalg.matrix_norm(moved, ord=2)
    torch.testing.assert_close(norms, torch.full((2,), expected), rtol=0.3, atol=0.0)
