import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.checkpoint.safetensors_file import SafetensorsReader, SafetensorsWriter
from model.checkpoint.safetensors_header import TensorSpec, read_header
from protos.errors import CorruptFileError, TensorMismatchError, TensorMissingError


def tensors() -> dict[str, Tensor]:
    """An odd number of bytes first, so that a careless writer would misalign the next."""
    torch.manual_seed(1)
    return {
        "bytes": torch.randint(0, 256, (3, 7), dtype=torch.uint8),
        "halves": torch.randn(5, 2, 3).bfloat16(),
        "floats": torch.randn(11),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 4),
    }


def specs(tensors: dict[str, Tensor]) -> list[TensorSpec]:
    return [TensorSpec(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()]


def write(file: Path, tensors: dict[str, Tensor]) -> None:
    with SafetensorsWriter(file, specs(tensors)) as writer:
        for name, tensor in reversed(tensors.items()):
            writer.write(name, tensor)


def read_all(file: Path) -> dict[str, Tensor]:
    with SafetensorsReader(file) as reader:
        found = {}
        for name, entry in read_header(file).items():
            found[name] = torch.empty(entry.spec.shape, dtype=entry.spec.dtype)
            reader.read(entry, 0, found[name])
        return found


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


def test_the_reference_library_reads_what_we_write(tmp_path: Path) -> None:
    write(tmp_path / "ours", tensors())
    assert_same(load_file(tmp_path / "ours"), tensors())


def test_we_read_what_the_reference_library_writes(tmp_path: Path) -> None:
    save_file(tensors(), tmp_path / "theirs", metadata={"anything": "at all"})
    assert_same(read_all(tmp_path / "theirs"), tensors())


def test_what_we_write_is_aligned(tmp_path: Path) -> None:
    write(tmp_path / "ours", tensors())
    for entry in read_header(tmp_path / "ours").values():
        assert entry.first_byte % entry.spec.dtype.itemsize == 0


@settings(deadline=None)
@given(st.data())
def test_any_range_is_read_into_the_callers_memory_and_nothing_beside_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    file = tmp_path_factory.getbasetemp() / "ranges"
    values = torch.arange(1000, 1100, dtype=torch.int32)
    if not file.exists():
        write(file, {"before": torch.zeros(9), "values": values, "after": torch.zeros(9)})
    start = data.draw(st.integers(0, 100))
    length = data.draw(st.integers(0, 100 - start))
    memory = torch.full((120,), -1, dtype=torch.int32)
    with SafetensorsReader(file) as reader:
        reader.read(read_header(file)["values"], start, memory[10 : 10 + length])
    assert memory[10 : 10 + length].tolist() == list(range(1000 + start, 1000 + start + length))
    assert memory[:10].tolist() == [-1] * 10
    assert memory[10 + length :].tolist() == [-1] * (110 - length)


@pytest.mark.parametrize(("first_element", "num_elements"), [(-1, 3), (98, 3), (0, 101)])
def test_a_range_outside_the_tensor_is_never_read(
    tmp_path: Path, first_element: int, num_elements: int
) -> None:
    file = tmp_path / "model.safetensors"
    write(file, {"before": torch.zeros(9), "values": torch.ones(100), "after": torch.zeros(9)})
    with SafetensorsReader(file) as reader, pytest.raises(AssertionError):
        reader.read(read_header(file)["values"], first_element, torch.empty(num_elements))


def test_a_file_cut_short_after_its_header_was_read(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    write(file, {"values": torch.ones(100)})
    entry = read_header(file)["values"]
    with file.open("r+b") as stream:
        stream.truncate(entry.end_byte - 7)
    with SafetensorsReader(file) as reader, pytest.raises(CorruptFileError) as caught:
        reader.read(entry, 0, torch.empty(100))
    assert str(caught.value).startswith(f"{file}: tensor 'values' is cut short")
    assert f"expected 7 more bytes at byte {entry.end_byte - 7}, found none" in str(caught.value)


def test_reads_and_writes_that_stop_short_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No local disk does this to a small file on request, so the system calls are shortened here."""
    preadv, pwrite = os.preadv, os.pwrite
    monkeypatch.setattr(os, "preadv", lambda file, buffers, at: preadv(file, [buffers[0][:7]], at))
    monkeypatch.setattr(os, "pwrite", lambda file, buffer, at: pwrite(file, buffer[:7], at))
    write(tmp_path / "ours", tensors())
    assert_same(read_all(tmp_path / "ours"), tensors())
    monkeypatch.undo()
    assert_same(load_file(tmp_path / "ours"), tensors())


def test_a_file_that_cannot_be_opened_or_read(tmp_path: Path) -> None:
    write(tmp_path / "there", {"values": torch.ones(4)})
    entry = read_header(tmp_path / "there")["values"]
    with pytest.raises(CorruptFileError, match=r"absent: cannot be read: No such file"):
        SafetensorsReader(tmp_path / "absent")
    with (
        SafetensorsReader(tmp_path) as folder,
        pytest.raises(CorruptFileError, match="'values' cannot be read: Is a"),
    ):
        folder.read(entry, 0, torch.empty(4))


def test_a_file_gets_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    with pytest.raises(TensorMissingError, match="nobody wrote empty"):
        write_without(file, "empty")
    with pytest.raises(ZeroDivisionError):
        write_without(file, None)
    assert list(tmp_path.iterdir()) == []


def write_without(file: Path, missing: str | None) -> None:
    with SafetensorsWriter(file, specs(tensors())) as writer:
        for name, tensor in tensors().items():
            if name != missing:
                writer.write(name, tensor)
        if missing is None:
            raise ZeroDivisionError


def test_a_tensor_that_is_not_as_announced(tmp_path: Path) -> None:
    announced = [TensorSpec("values", torch.bfloat16, (2, 3))]
    with (
        pytest.raises(TensorMismatchError, match=r"'values' is to be BF16 \[2, 3\], found F32 \[3, 2\]"),
        SafetensorsWriter(tmp_path / "model.safetensors", announced) as writer,
    ):
        writer.write("values", torch.ones(3, 2))


def test_a_view_is_written_as_its_values(tmp_path: Path) -> None:
    transposed = torch.arange(6.0).view(2, 3).t()
    write(tmp_path / "ours", {"values": transposed})
    assert torch.equal(load_file(tmp_path / "ours")["values"], transposed)
