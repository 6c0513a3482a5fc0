import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kernels.cpu.settings import CpuKernelSettings, CpuPath
from kernels.group import group_by_expert
from tests.kernels.cpu.paths import kernels_or_skip


@pytest.fixture(params=[CpuPath.REFERENCE, CpuPath.PLAIN], scope="module")
def settings(request: pytest.FixtureRequest) -> CpuKernelSettings:
    if request.param is not CpuPath.REFERENCE:
        kernels_or_skip(request.param)  # which builds them: that is not the time of an example
    return CpuKernelSettings(request.param)


@given(st.lists(st.integers(0, 4), max_size=40))
def test_groups_hold_each_assignment_once_in_order(settings: CpuKernelSettings, experts: list[int]) -> None:
    groups = group_by_expert(torch.tensor(experts, dtype=torch.int64), 5, settings)
    assert groups.offsets[0] == 0
    assert groups.offsets[-1] == len(experts)
    for expert in range(5):
        start, stop = groups.offsets[expert : expert + 2].tolist()
        expected = [index for index, chosen in enumerate(experts) if chosen == expert]
        assert groups.order[start:stop].tolist() == expected


def test_an_expert_that_is_not_here_is_noticed(settings: CpuKernelSettings) -> None:
    with pytest.raises(AssertionError, match="not here"):
        group_by_expert(torch.tensor([0, 5]), 5, settings)
    with pytest.raises((AssertionError, RuntimeError), match=r"not here|non-negative"):
        group_by_expert(torch.tensor([0, -1]), 5, settings)


def test_experts_that_do_not_lie_side_by_side(settings: CpuKernelSettings) -> None:
    groups = group_by_expert(torch.tensor([[1, 9], [0, 9], [1, 9]])[:, 0], 2, settings)
    assert groups.order.tolist() == [1, 0, 2]


def test_only_experts_with_work_are_visited(settings: CpuKernelSettings) -> None:
    groups = group_by_expert(torch.tensor([3, 1, 3]), 5, settings)
    assert list(groups.visited()) == [(1, slice(0, 1)), (3, slice(1, 3))]
