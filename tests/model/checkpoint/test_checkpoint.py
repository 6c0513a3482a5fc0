from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.checkpoint.assembly import find_weight
from model.checkpoint.checkpoint import Checkpoint, consecutive_runs
from model.checkpoint.layouts import HUGGING_FACE, ORIGINAL, Layout
from model.checkpoint.safetensors_header import encode_header
from model.checkpoint.weight_names import EXPERT_WEIGHTS, every_weight
from model.checkpoint.writer import write_checkpoint
from model.config import GPT_OSS_120B, alternating_layers
from model.config.config_writer import hugging_face_document, write_config
from model.dummy import dummy_weights
from model.weights import ModelWeights, Selection
from protos.errors import (
    CheckpointError,
    ConfigError,
    CorruptFileError,
    TensorMismatchError,
    TensorMissingError,
    TensorSurplusError,
    TensorValueError,
)
from tests.model.kernel_meter import bytes_read, peak_memory, reset_peak_memory
from tests.model.tiny_model import SLICE, TINY, assert_slice_of

LAYOUTS = pytest.mark.parametrize("layout", [HUGGING_FACE, ORIGINAL], ids=lambda layout: layout.title)
ASKING_BYTES = 1000
"""More than it costs to ask the kernel how much was read, and less than any expert."""


@pytest.fixture(scope="module")
def whole() -> ModelWeights:
    return dummy_weights(TINY, seed=3)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory, whole: ModelWeights) -> Path:
    """A folder as it is released: the Hugging Face layout in several files, the original one below it."""
    folder = tmp_path_factory.mktemp("release")
    write_checkpoint(TINY, whole, folder, layout=HUGGING_FACE, max_file_bytes=300_000)
    write_checkpoint(TINY, whole, folder / "original", layout=ORIGINAL)
    return folder


@pytest.fixture
def damaged(tmp_path: Path, whole: ModelWeights) -> Path:
    """A folder with one file, for a test to damage."""
    write_checkpoint(TINY, whole, tmp_path)
    return tmp_path


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
def test_dense_weights_are_converted_if_asked_and_experts_never(
    layout: Layout, release: Path, whole: ModelWeights
) -> None:
    found = Checkpoint.open(folder_of(layout, release)).load(Selection.whole(TINY), dtype=torch.float32)
    for weight in every_weight(TINY):
        tensor, expected = find_weight(found, weight), find_weight(whole, weight)
        assert tensor is not None
        assert expected is not None
        assert tensor.dtype == (expected.dtype if weight.name in EXPERT_WEIGHTS else torch.float32), weight
        assert torch.equal(tensor, expected.to(tensor.dtype)), weight


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
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


def change_tensors(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, folder / "changed")
    return (folder / "changed").rename(file)


Q_BIAS = "model.layers.2.self_attn.q_proj.bias"
OUTPUT = "model.layers.4.self_attn.o_proj.weight"
SCALES = "model.layers.3.mlp.experts.down_proj_scales"


@pytest.mark.parametrize(
    ("change", "error", "messages"),
    [
        (
            lambda tensors: tensors.pop(Q_BIAS),
            TensorMissingError,
            [f"tensor '{Q_BIAS}'", "expected BF16 [72]", "found in no file"],
        ),
        (
            lambda tensors: tensors.update({"model.layers.5.mlp.router.bias": torch.ones(7)}),
            TensorSurplusError,
            ["model.safetensors", "'model.layers.5.mlp.router.bias'", "with 5 layers", "found F32 [7]"],
        ),
        (
            lambda tensors: tensors.update({OUTPUT: tensors[OUTPUT].t().contiguous()}),
            TensorMismatchError,
            ["model.safetensors", f"'{OUTPUT}'", "expected BF16 [96, 72]", "found BF16 [72, 96]"],
        ),
        (
            lambda tensors: tensors.update({OUTPUT: tensors[OUTPUT].half()}),
            TensorMismatchError,
            ["model.safetensors", f"'{OUTPUT}'", "expected BF16 [96, 72]", "found F16 [96, 72]"],
        ),
        (
            lambda tensors: tensors.update({SCALES: tensors[SCALES].view(torch.int8)}),
            TensorMismatchError,
            ["model.safetensors", f"'{SCALES}'", "expected U8 [7, 96, 5]", "found I8 [7, 96, 5]"],
        ),
    ],
)
def test_a_damaged_tensor_is_named_when_the_folder_is_opened(
    damaged: Path,
    change: Callable[[dict[str, Tensor]], object],
    error: type[CheckpointError],
    messages: list[str],
) -> None:
    change_tensors(damaged, change)
    with pytest.raises(error) as caught:
        Checkpoint.open(damaged)
    assert type(caught.value) is error
    assert str(damaged) in str(caught.value)
    for message in messages:
        assert message in str(caught.value)


@pytest.mark.parametrize(("num_layers", "error"), [(4, TensorSurplusError), (6, TensorMissingError)])
def test_a_config_of_another_model(damaged: Path, num_layers: int, error: type[CheckpointError]) -> None:
    write_config(damaged, hugging_face_document(replace(TINY, layer_kinds=alternating_layers(num_layers))))
    with pytest.raises(error, match=f"model.layers.{min(num_layers, 5)}."):
        Checkpoint.open(damaged)


def test_tensors_of_another_model(damaged: Path) -> None:
    save_file({"transformer.wte": torch.ones(3)}, damaged / "model.safetensors")
    with pytest.raises(
        TensorMissingError, match=r"expected tensors of gpt-oss.*found \['transformer\.wte'\]"
    ):
        Checkpoint.open(damaged)


def test_half_a_download(release: Path, tmp_path: Path) -> None:
    for file in release.glob("*.*"):
        if "00003-of" not in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(TensorMissingError, match=r"model-00003-of-\d+\.safetensors: does not exist"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize(
    ("anchor", "offset"),
    [
        ("file begins", 0),
        ("file begins", 7),
        ("file begins", 8),
        ("file begins", 100),
        ("header ends", -1),
        ("header ends", 0),
        ("header ends", 1),
        ("file ends", -100_000),
        ("file ends", -1),
    ],
)
def test_a_file_cut_anywhere(damaged: Path, anchor: str, offset: int) -> None:
    file = damaged / "model.safetensors"
    content = file.read_bytes()
    num_header_bytes = 8 + int.from_bytes(content[:8], "little")
    anchors = {"file begins": 0, "header ends": num_header_bytes, "file ends": len(content)}
    num_kept = anchors[anchor] + offset
    file.write_bytes(content[:num_kept])
    with pytest.raises(CorruptFileError) as caught:
        Checkpoint.open(damaged)
    message = str(caught.value)
    assert message.startswith(str(file))
    assert "expected" in message
    assert "found" in message
    assert ("tensor 'model." in message) == (num_kept >= num_header_bytes)


def test_a_file_with_something_behind_it(damaged: Path) -> None:
    with (damaged / "model.safetensors").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(
        CorruptFileError, match=r"model\.safetensors: expected \d+ bytes by its header, found \d+"
    ):
        Checkpoint.open(damaged)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("gate_up_proj_scales", (7, 320, 3)), ("down_proj_scales", (7, 96, 5))],
)
def test_a_scale_that_is_not_a_number_is_named(damaged: Path, name: str, shape: tuple[int, ...]) -> None:
    tensor = f"model.layers.3.mlp.experts.{name}"

    def spoil(tensors: dict[str, Tensor]) -> None:
        assert tensors[tensor].shape == shape
        tensors[tensor][5, 41, 2] = 255

    change_tensors(damaged, spoil)
    checkpoint = Checkpoint.open(damaged)
    checkpoint.load(Selection(layer_to_experts={3: (4, 6), 2: (5,)}))
    with pytest.raises(TensorValueError) as caught:
        checkpoint.load(Selection(layer_to_experts={3: (6, 5, 4)}))
    assert str(caught.value).startswith(
        f"{damaged / 'model.safetensors'}: tensor '{tensor}': expert 5, row 41, block 2"
    )
    assert "expected a scale below 255, found 255" in str(caught.value)


def test_the_highest_scale_that_is_a_number(damaged: Path) -> None:
    change_tensors(damaged, lambda tensors: tensors[SCALES].fill_(254))
    loaded = Checkpoint.open(damaged).load(Selection(layer_to_experts={3: (5,)}))
    assert set(loaded.experts[3].down.packed.scales.flatten().tolist()) == {254}


def test_a_file_that_goes_away_after_it_was_checked(damaged: Path) -> None:
    checkpoint = Checkpoint.open(damaged)
    file = damaged / "model.safetensors"
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 1)
    with pytest.raises(CorruptFileError, match="is cut short"):
        checkpoint.load(Selection.whole(TINY))
    file.unlink()
    with pytest.raises(CorruptFileError, match="No such file"):
        checkpoint.load(Selection.whole(TINY))
