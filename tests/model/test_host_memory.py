import mmap
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.kernel_meter import resident_memory
from model.host_memory import HUGE_PAGE_BYTES, empty_tensor, zero_tensor

LARGE = (33, HUGE_PAGE_BYTES // 16, 5)


def mapping_flags(tensor: Tensor) -> list[str]:
    """What the kernel notes of the mapping that the tensor lies in."""
    mappings = re.finditer(
        r"^([0-9a-f]+)-([0-9a-f]+) .*?^VmFlags:(.*?)$", Path("/proc/self/smaps").read_text(), re.M | re.S
    )
    for mapping in mappings:
        if int(mapping[1], 16) <= tensor.data_ptr() < int(mapping[2], 16):
            return mapping[3].split()
    raise AssertionError("the tensor lies in no mapping")


@pytest.mark.parametrize("shape", [(0,), (), (3, 5), LARGE])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16])
def test_shape_and_dtype_and_room_to_write(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    tensor = empty_tensor(shape, dtype)
    assert (tuple(tensor.shape), tensor.dtype, tensor.is_contiguous()) == (shape, dtype, True)
    assert tensor.untyped_storage().nbytes() == tensor.nbytes
    assert (tensor.fill_(7) == 7).all()


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="this system has no huge pages to ask for")
def test_large_tensors_ask_for_huge_pages() -> None:
    assert "hg" in mapping_flags(empty_tensor(LARGE, torch.uint8))
    assert "hg" not in mapping_flags(empty_tensor((3, 5), torch.uint8))


def test_memory_is_taken_when_it_is_written_and_given_back_with_the_tensor() -> None:
    before = resident_memory()
    tensor = empty_tensor(LARGE, torch.bfloat16)
    num_bytes = tensor.nbytes
    assert resident_memory() - before < 0.1 * num_bytes
    tensor.fill_(7)
    assert resident_memory() - before > 0.9 * num_bytes
    row = tensor[1]
    del tensor
    assert resident_memory() - before > 0.9 * num_bytes
    assert row[0, 0] == 7
    del row
    assert resident_memory() - before < 0.1 * num_bytes


@pytest.mark.parametrize("shape", [(0,), (3, 5), LARGE])
def test_zeros_are_zero(shape: tuple[int, ...]) -> None:
    tensor = zero_tensor(shape, torch.bfloat16)
    assert (tuple(tensor.shape), tensor.dtype) == (shape, torch.bfloat16)
    assert not tensor.any()


def test_zeros_take_memory_when_they_are_written() -> None:
    before = resident_memory()
    tensor = zero_tensor(LARGE, torch.bfloat16)
    assert resident_memory() - before < 0.1 * tensor.nbytes
    tensor[0] = 1
    assert 0 < resident_memory() - before < 0.1 * tensor.nbytes


def test_another_device() -> None:
    assert empty_tensor(LARGE, torch.uint8, "meta").is_meta
    assert zero_tensor(LARGE, torch.uint8, "meta").is_meta
