"""Runs a list of reads: pieces of files' tensors, into pieces of ours, on a few threads.

Not here: which reads a model needs (`model.checkpoint` makes the list and is the only caller).
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from model.checkpoint.progress import Progress
from model.checkpoint.safetensors_file import SafetensorsReader
from model.checkpoint.safetensors_header import TensorEntry

CHUNK_BYTES = 16 << 20
"""Small enough to share the work among threads and to bound the staging memory, large enough to stream."""


@dataclass(frozen=True, slots=True)
class TensorRead:
    """Consecutive elements of a file's tensor, and where they go."""

    entry: TensorEntry
    first_element: int
    destination: Tensor  # contiguous; any dtype or device

    @property
    def num_bytes(self) -> int:
        """As the file has them."""
        return self.destination.numel() * self.entry.spec.dtype.itemsize


def run_reads(reads: Sequence[TensorRead], progress: Progress, num_threads: int) -> None:
    """Returns when every destination is filled; the first error stops the rest."""
    files = {read.entry.file for read in reads}
    with ExitStack() as stack, ThreadPoolExecutor(num_threads) as pool:
        readers = {file: stack.enter_context(SafetensorsReader(file)) for file in files}

        def run(read: TensorRead) -> int:
            _run(readers[read.entry.file], read)
            return read.num_bytes

        # map cancels what has not begun when a read, or the listener, raises.
        for num_bytes in pool.map(run, _chunks(reads)):
            progress.advance(num_bytes)


def _chunks(reads: Iterable[TensorRead]) -> Iterator[TensorRead]:
    for read in reads:
        num_elements = CHUNK_BYTES // read.entry.spec.dtype.itemsize
        for start, piece in enumerate(torch.split(read.destination.view(-1), num_elements)):
            yield TensorRead(read.entry, read.first_element + start * num_elements, piece)


def _run(reader: SafetensorsReader, read: TensorRead) -> None:
    destination, dtype = read.destination, read.entry.spec.dtype
    if destination.dtype == dtype and destination.device.type == "cpu":
        reader.read(read.entry, read.first_element, destination)
        return
    staging = torch.empty(destination.shape, dtype=dtype)
    reader.read(read.entry, read.first_element, staging)
    destination.copy_(staging)
