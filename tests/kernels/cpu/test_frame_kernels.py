"""Frames that the library finds whole, and the checksum that it computes: zlib's, and a plain sum's."""

import random

import pytest

from kernels.cpu.frame_kernels import FrameKernels, load_frame_kernels
from kernels.cpu.settings import CpuKernelSettings, CpuPath
from router.frame import FrameKind
from tests.kernels.cpu.paths import kernels_or_skip
from tests.router.frames import frame


@pytest.fixture
def frames() -> FrameKernels:
    kernels_or_skip(CpuPath.FASTEST)
    kernels = load_frame_kernels()
    assert kernels is not None
    return kernels


LENGTHS = (0, 1, 7, 15, 16, 63, 64, 65, 100, 127, 128, 1000, 4095, 4096, 16383, 16384, 16385, 20480, 50001)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_frame_with_a_section_of_any_length_is_found_whole(frames: FrameKernels, length: int) -> None:
    generator = random.Random(length)
    sections = [generator.randbytes(length), generator.randbytes(length * 7 % 300)]
    data = frame(FrameKind.REPLY, (7, None, "name", 2**64 - 1), sections)
    found = frames.read(data)
    assert found is not None
    _, kind, header_length, *ends = found
    assert (kind, header_length) == (FrameKind.REPLY, int.from_bytes(data[10:12], "little"))
    assert [data[begin:end] for begin, end in zip(ends[::2], ends[1::2], strict=True)] == sections


@pytest.mark.parametrize("length", LENGTHS)
def test_sealing_gives_the_checksum_of_the_tests(frames: FrameKernels, length: int) -> None:
    whole = frame(FrameKind.STEP, ("a" * (length % 300), 0.5), [random.Random(length).randbytes(length)])
    unsealed = bytes(20) + whole[20:]
    assert frames.seal(unsealed, FrameKind.STEP, int.from_bytes(whole[10:12], "little")) == whole


@pytest.mark.parametrize("length", [60, 200, 70_000])
def test_no_flipped_bit_of_a_section_goes_unseen(frames: FrameKernels, length: int) -> None:
    data = frame(FrameKind.REPLY, (1,), [random.Random(length).randbytes(length)])
    assert frames.read(data) is not None
    for bit in range(64 * 8, (64 + length) * 8, max(1, length // 20)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        assert frames.read(bytes(damaged)) is None


def test_without_the_library_there_are_no_frame_kernels() -> None:
    assert load_frame_kernels(CpuKernelSettings(CpuPath.REFERENCE)) is None
