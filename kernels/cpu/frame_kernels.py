"""Data frames in the built library: found to be whole, given their checksum, a dispatch written in one go.

`router.frame` and `router.dispatch_frames` call this; what each does without it is the meaning, and this is
tested against it. Not here: what is wrong with a frame that is not whole. The calls are short, so they keep
the interpreter's lock: to give it away and get it back would take longer.
"""

import ctypes
from collections.abc import Callable, Sequence
from ctypes import c_bool, c_char_p, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from kernels.cpu.library import load_cpu_kernels
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings

_Found = c_int64 * (3 + 2 * 32)  # for the most sections that a frame has


class DispatchWork(NamedTuple):
    """Rows, and who shall have them. Bytes are int64; addresses those of contiguous arrays on the CPU."""

    rows: bytes  # [assignments] into `tokens`
    experts: bytes  # [assignments]
    slots: bytes  # [assignments] into `weights`
    weights: int  # the address of float32 values
    x: int  # the address of rows of `row_bytes` each
    tokens: bytes  # [rows] which of x travel
    row_bytes: int


@dataclass(frozen=True, slots=True)
class FrameKernels:
    """`library` keeps the interpreter's lock while it is called."""

    library: ctypes.PyDLL

    def read(self, frame: bytes) -> Sequence[int] | None:
        """-> its address, kind, length of the header, and where each section begins and ends.

        None: it is not whole.
        """
        found = _Found()
        count = self.library.expertmesh_read_frame(frame, len(frame), found)
        return found[:count] if count else None

    def seal(self, frame: bytes, kind: int, header_length: int) -> bytes:
        """The same frame, which nobody else has seen yet, with its prefix."""
        is_whole = self.library.expertmesh_seal_frame(frame, len(frame), kind, header_length)
        assert is_whole, "a frame that is made here is whole"
        return frame

    def write_dispatch(self, header: bytes, length: int, work: DispatchWork) -> bytes:
        """-> a frame of `length` bytes"""
        frame = _new_bytes(None, length)
        is_written = self.library.expertmesh_write_dispatch(
            frame,
            length,
            header,
            len(header),
            work.rows,
            work.experts,
            work.slots,
            work.weights,
            len(work.slots) // 8,
            work.x,
            work.tokens,
            len(work.tokens) // 8,
            work.row_bytes,
        )
        assert is_written, "the header does not name these sections"
        return frame


@cache
def load_frame_kernels(settings: CpuKernelSettings = DEFAULT_SETTINGS) -> FrameKernels | None:
    """None: there is no library, by choice or because nothing can be built."""
    kernels = load_cpu_kernels(settings)
    return None if kernels is None else FrameKernels(_declared(ctypes.PyDLL(kernels.library._name)))


def _declared(library: ctypes.PyDLL) -> ctypes.PyDLL:
    library.expertmesh_read_frame.argtypes = (c_char_p, c_int64, _Found)
    library.expertmesh_read_frame.restype = c_int64
    library.expertmesh_seal_frame.argtypes = (c_char_p, c_int64, c_int64, c_int64)
    library.expertmesh_seal_frame.restype = c_bool
    library.expertmesh_write_dispatch.argtypes = (
        *(c_char_p, c_int64, c_char_p, c_int64),
        *(c_char_p, c_char_p, c_char_p, c_void_p, c_int64),
        *(c_void_p, c_char_p, c_int64, c_int64),
    )
    library.expertmesh_write_dispatch.restype = c_bool
    return library


_new_bytes: Callable[[None, int], bytes] = ctypes.PYFUNCTYPE(ctypes.py_object, c_void_p, ctypes.c_ssize_t)(
    ("PyBytes_FromStringAndSize", ctypes.pythonapi)
)
"""Bytes of this length that hold anything, to be written before somebody sees them."""
