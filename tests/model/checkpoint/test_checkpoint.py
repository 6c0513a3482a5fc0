from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.kernel_meter import bytes_read, peak_memory, reset_peak_memory
from model.checkpoint.assembly import find_weight
from model.checkpoint.checkpoint import Checkpoint, consecutive_runs
from model.checkpoint.layouts import HUGGING_FACE, ORIGINAL, Layout
from model.checkpoint.safetensors_header import encode_header
from model.checkpoint.weight_names import every_weight
from model.config import GPT_OSS_120B
from model.config.config_writer import hugging_face_document, write_config
from model.config.weight_shapes import EXPERT_WEIGHTS
from model.weights import ModelWeights, Selection
from protos.errors import (
    ConfigError,
)
from tests.model.tiny_model import SLICE, TINY, assert_slice_of

LAYOUTS = pytest.mark.parametrize("layout", [HUGGING_FACE, ORIGINAL], ids=lambda layout: layout.title)
ASKING_BYTES = 1000
"""More than it costs to ask the kernel how much was read, and less than any expert."""


def folder_of(layout: Layout, release: Path) -> Path:
    return release if layout == HUGGING_FACE else release / "original"


@LAYOUTS
def test_the_whole_model_is_loaded_bit_for_bit(layout: Layout, release: Path, whole: ModelWeights) -> None:
    checkpoint = Checkpoint.open(folder_of(layout, release))
    assert checkpoint.config == TINY
    assert checkpoint.layout == layout
    everything = Selection.whole(TINY)
    assert_slice_of(whole, checkpoint.load(everything), everything)


@LAYOUTS
def test_a_slice_is_the_same_slice_of_the_whole(layout: Layout, release: Path, whole: ModelWeights) -> None:
    assert_slice_of(whole, Checkpoint.open(folder_of(layout, release)).load(SLICE), SLICE)


def some_of(count: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(0, count - 1), unique=True).map(tuple)


@settings(deadline=None, max_examples=30)
@given(
    selection=st.builds(
        Selection,
        attention_layers=some_of(TINY.num_layers),
        layer_to_experts=st.dictionaries(st.integers(0, TINY.num_layers - 1), some_of(TINY.num_experts)),
        embedding=st.booleans(),
        unembedding=st.booleans(),
    ),
    num_threads=st.integers(1, 3),
)
def test_any_slice_is_the_same_slice_of_the_whole(
    release: Path, whole: ModelWeights, selection: Selection, num_threads: int
) -> None:
    found = Checkpoint.open(release).load(selection, num_threads=num_threads)
    assert_slice_of(whole, found, selection)


@LAYOUTS
def test_a_slice_reads_its_own_bytes_and_no_others(layout: Layout, release: Path) -> None:
    checkpoint = Checkpoint.open(folder_of(layout, release))
    before = bytes_read()
    weights = checkpoint.load(SLICE)
    num_bytes_read = bytes_read() - before
    held = [find_weight(weights, weight) for weight in every_weight(TINY)]
    num_bytes_held = sum(tensor.nbytes for tensor in held if tensor is not None)
    assert num_bytes_held <= num_bytes_read < num_bytes_held + ASKING_BYTES
    assert checkpoint.num_bytes(SLICE) == num_bytes_held


def test_a_slice_of_a_large_model_takes_no_more_memory_than_its_bytes(tmp_path: Path) -> None:
    """A sparse file of gpt-oss-120b: 61 GiB of zeros that lie on no disk and would fit in no test."""
    header = encode_header([part.spec for part in HUGGING_FACE.every_part(GPT_OSS_120B)])
    num_bytes = sum(part.spec.num_bytes for part in HUGGING_FACE.every_part(GPT_OSS_120B))
    with (tmp_path / "model.safetensors").open("wb") as stream:
        stream.write(header)
        stream.truncate(len(header) + num_bytes)
    write_config(tmp_path, hugging_face_document(GPT_OSS_120B))
    checkpoint = Checkpoint.open(tmp_path)
    checkpoint.load(Selection(layer_to_experts={0: (0,)}))  # threads and allocator warm up
    selection = Selection(attention_layers=(20,), layer_to_experts={35: (127, 3, 4, 5)})
    reset_peak_memory()
    before = peak_memory()
    weights = checkpoint.load(selection)
    taken = peak_memory() - before
    assert weights.experts[35].gate_up.packed.blocks.shape == (4, 5760, 90, 16)
    assert checkpoint.num_bytes(selection) == 4 * 13_236_480 + 53_849_344
    assert taken <= 1.1 * checkpoint.num_bytes(selection)


def test_progress_counts_every_byte(release: Path) -> None:
    class Total:
        num_bytes = 0

        def advance(self, num_bytes: int) -> None:
            self.num_bytes += num_bytes

    checkpoint, total = Checkpoint.open(release), Total()
    checkpoint.load(SLICE, progress=total)
    assert total.num_bytes == checkpoint.num_bytes(SLICE) > 0


@LAYOUTS
def test_vectors_are_converted_if_asked_and_matrices_and_experts_never(
    layout: Layout, release: Path, whole: ModelWeights
) -> None:
    found = Checkpoint.open(folder_of(layout, release)).load(Selection.whole(TINY), dtype=torch.float32)
    for weight in every_weight(TINY):
        tensor, expected = find_weight(found, weight), find_weight(whole, weight)
        assert tensor is not None
        assert expected is not None
        is_kept = weight.name in EXPERT_WEIGHTS or tensor.dim() == 2
        assert tensor.dtype == (expected.dtype if is_kept else torch.float32), weight
        assert torch.equal(tensor, expected.to(tensor.dtype)), weight


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device is visible: run this on a machine that has one"
)
def test_weights_land_on_the_device(release: Path, whole: ModelWeights) -> None:
    found = Checkpoint.open(release).load(SLICE, device="cuda")
    for weight in every_weight(TINY):
        tensor, expected = find_weight(found, weight), find_weight(whole, weight)
        if tensor is not None and expected is not None and weight.name not in EXPERT_WEIGHTS:
            assert tensor.is_cuda
            assert torch.equal(tensor.cpu(), expected), weight


@pytest.mark.parametrize(
    ("ids", "runs"),
    [
        ((), []),
        ((3,), [range(3, 4)]),
        ((0, 1, 2, 3), [range(4)]),
        ((4, 5, 2, 3, 0), [range(4, 6), range(2, 4), range(1)]),
        ((3, 2, 1), [range(3, 4), range(2, 3), range(1, 2)]),
    ],
)
def test_neighbours_are_read_together(ids: tuple[int, ...], runs: list[range]) -> None:
    assert list(consecutive_runs(ids)) == runs


def test_what_the_model_lacks_cannot_be_loaded(release: Path) -> None:
    checkpoint = Checkpoint.open(release)
    with pytest.raises(ConfigError, match="layer 1 expert 7 was asked for"):
        checkpoint.load(Selection(layer_to_experts={1: (7,)}))
    with pytest.raises(ConfigError, match="attention layer 5 was asked for"):
        checkpoint.num_bytes(Selection(attention_layers=(5,)))
