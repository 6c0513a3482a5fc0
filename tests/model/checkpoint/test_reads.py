import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmarks.kernel_meter import bytes_read
from model.checkpoint.progress import NoProgress
from model.checkpoint.reads import CHUNK_BYTES, TensorRead, run_reads
from model.checkpoint.safetensors_header import TensorEntry, read_header
from protos.errors import CorruptFileError

NUM_ELEMENTS = 3 * CHUNK_BYTES // 2 - 5
"""Three chunks of bfloat16, the last one short."""


class Listener:
    """Adds up, or stops the work like an impatient user."""

    def __init__(self, *, impatient: bool = False) -> None:
        self.num_bytes = 0
        self.threads = set[int]()
        self._impatient = impatient

    def advance(self, num_bytes: int) -> None:
        if self._impatient:
            raise KeyboardInterrupt
        self.num_bytes += num_bytes
        self.threads.add(threading.get_ident())


def expected() -> torch.Tensor:
    """Neighbours differ, and so do chunks."""
    return torch.arange(NUM_ELEMENTS).remainder_(251).bfloat16()


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TensorEntry]:
    file = tmp_path_factory.mktemp("reads") / "model.safetensors"
    save_file({"before": torch.ones(3), "values": expected()}, file)
    yield read_header(file)["values"]
    file.unlink()


@pytest.mark.parametrize("num_threads", [1, 3])
def test_chunks_add_up(entry: TensorEntry, num_threads: int) -> None:
    destination = torch.empty(NUM_ELEMENTS, dtype=torch.bfloat16)
    listener = Listener()
    run_reads([TensorRead(entry, 0, destination)], listener, num_threads)
    assert torch.equal(destination, expected())
    assert listener.num_bytes == entry.spec.num_bytes
    assert listener.threads == {threading.get_ident()}


def test_another_dtype_is_converted_on_the_way(entry: TensorEntry) -> None:
    destination = torch.empty(2, NUM_ELEMENTS // 2 - 50, dtype=torch.float64)
    run_reads([TensorRead(entry, 99, destination)], NoProgress(), 2)
    assert torch.equal(destination.view(-1), expected()[99 : 99 + destination.numel()].double())


def test_nothing_to_read(entry: TensorEntry) -> None:
    run_reads([], NoProgress(), 2)
    run_reads([TensorRead(entry, 5, torch.empty(0, 3, dtype=torch.bfloat16))], NoProgress(), 2)


def test_an_interruption_stops_the_rest(entry: TensorEntry) -> None:
    destination = torch.empty(NUM_ELEMENTS, dtype=torch.bfloat16)
    reads = [TensorRead(entry, 0, destination)] * 30
    before = bytes_read()
    with pytest.raises(KeyboardInterrupt):
        run_reads(reads, Listener(impatient=True), 2)
    assert bytes_read() - before < 15 * entry.spec.num_bytes


def test_an_error_in_a_thread_comes_out(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"values": torch.ones(100)}, file)
    entry = read_header(file)["values"]
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CorruptFileError, match="expected 1 more bytes"):
        run_reads([TensorRead(entry, 0, torch.empty(100))], NoProgress(), 2)
