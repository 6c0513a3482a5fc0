"""How fast, and in how much memory, a checkpoint loads: `python -m benchmarks.load [--quick] --json F`.

A dummy checkpoint of 20b-shaped layers is written to the temporary folder and removed. Limits: the time to
read the same bytes once with plain readinto, and the bytes themselves. Peer: safetensors, used as
`benchmarks.load_contenders` says. Warm rows find the file in the page cache, cold rows do not; free memory is
settled before each measurement (`benchmarks.free_memory` says why).
"""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import load_contenders as contenders
from benchmarks.disk_space import require_disk
from benchmarks.free_memory import settle_memory
from benchmarks.interleaving import interleaved_medians, seconds_of
from benchmarks.page_cache import bytes_from_disk, drop_cached
from benchmarks.process_memory import peak_bytes
from benchmarks.report import Row, compared, run
from model.checkpoint import Checkpoint
from model.checkpoint.layouts import HUGGING_FACE
from model.checkpoint.writer import write_checkpoint
from model.config import GPT_OSS_20B, ModelConfig, alternating_layers
from model.dummy import dummy_weights
from model.weights import Selection

TIME_GOAL = 1 / 1.5
"""At most 1.5 times as long as reading the bytes."""

MEMORY_GOAL = 1 / 1.1
"""At most 1.1 times the bytes."""

OURS = "ours"
FRESH = "readinto, fresh buffer"
TOUCHED = "readinto, touched buffer"
COPIED = "safetensors, copied"
MAPPED = "safetensors, mapped"
BYTES = "the bytes themselves"

Works = Mapping[str, Callable[[], object]]


def measure(quick: bool) -> Sequence[Row]:
    num_layers, num_rounds = (1, 3) if quick else (4, 5)
    # Everybody would read the model's ends alike: a small vocabulary saves the disk.
    config = replace(GPT_OSS_20B, layer_kinds=alternating_layers(num_layers), vocab_size=1024)
    return measure_config(config, num_rounds)


def measure_config(config: ModelConfig, num_rounds: int) -> Sequence[Row]:
    num_bytes = sum(part.spec.num_bytes for part in HUGGING_FACE.every_part(config))
    with tempfile.TemporaryDirectory(prefix="expertmesh-load-") as name:
        folder = Path(name)
        require_disk(folder, num_bytes)
        write_checkpoint(config, dummy_weights(config, seed=1), folder, max_file_bytes=2 * num_bytes)
        return [
            *_warm_rows(folder, num_rounds),
            *_cold_rows(folder, num_rounds),
            *_memory_rows(folder),
        ]


def _warm_rows(folder: Path, num_rounds: int) -> Sequence[Row]:
    [file] = folder.glob("*.safetensors")
    num_bytes = file.stat().st_size
    touched = memoryview(bytearray(num_bytes))
    whole = _seconds(
        {
            OURS: partial(contenders.load_whole, folder),
            FRESH: partial(contenders.read_into_fresh_memory, file),
            TOUCHED: partial(contenders.read_into, file, touched),
            COPIED: partial(contenders.safetensors_copied, file),
            MAPPED: partial(contenders.safetensors_mapped, file),
        },
        num_bytes,
        num_rounds,
    )
    experts = _seconds(
        {
            OURS: partial(contenders.load_experts, folder),
            COPIED: partial(contenders.safetensors_experts_copied, file),
        },
        num_bytes,
        num_rounds,
    )
    name = f"load {num_bytes / 1e9:.2f} GB, warm"
    slice_name = f"load {len(contenders.EXPERTS)} experts a layer, warm"
    return [
        _faster(name, whole, FRESH, TIME_GOAL),
        _faster(name, whole, TOUCHED, TIME_GOAL),
        _faster(name, whole, COPIED),
        _faster(name, whole, MAPPED),
        _faster(slice_name, experts, COPIED),
    ]


def _cold_rows(folder: Path, num_rounds: int) -> Sequence[Row]:
    [file] = folder.glob("*.safetensors")
    num_bytes = file.stat().st_size
    drop_cached(file)
    if bytes_from_disk(partial(contenders.read_into_fresh_memory, file)) < 0.9 * num_bytes:
        print(f"no cold rows: {file.parent} cannot be dropped from the page cache", file=sys.stderr)
        return []
    cold = _seconds(
        {
            OURS: partial(contenders.load_whole, folder),
            FRESH: partial(contenders.read_into_fresh_memory, file),
            MAPPED: partial(contenders.safetensors_mapped, file),
        },
        num_bytes,
        num_rounds,
        before=partial(drop_cached, file),
    )
    name = f"load {num_bytes / 1e9:.2f} GB, cold"
    return [_faster(name, cold, FRESH, TIME_GOAL), _faster(name, cold, MAPPED)]


def _memory_rows(folder: Path) -> Sequence[Row]:
    [file] = folder.glob("*.safetensors")
    checkpoint = Checkpoint.open(folder)
    works: Works = {
        OURS: partial(contenders.load_whole, folder),
        COPIED: partial(contenders.safetensors_copied, file),
        MAPPED: partial(contenders.safetensors_mapped, file),
    }
    peaks = {
        name: float(peak_bytes(partial(contenders.load_nothing, folder), work))
        for name, work in works.items()
    }
    peaks[BYTES] = float(checkpoint.num_bytes(Selection.whole(checkpoint.config)))
    return [
        _smaller("peak memory of a load", peaks, BYTES, MEMORY_GOAL),
        _smaller("peak memory of a load", peaks, COPIED),
        _smaller("peak memory of a load", peaks, MAPPED),
    ]


def _seconds(
    works: Works, num_bytes: int, num_rounds: int, before: Callable[[], object] | None = None
) -> Mapping[str, float]:
    """Each work finds memory at hand for its tensors and for the page cache, after `before` has run."""

    def measure(work: Callable[[], object]) -> float:
        if before is not None:
            before()
        settle_memory(2 * num_bytes)
        return seconds_of(work)

    return interleaved_medians({name: partial(measure, work) for name, work in works.items()}, num_rounds)


def _faster(name: str, seconds: Mapping[str, float], peer: str, goal: float | None = None) -> Row:
    return compared(
        name, "s", seconds[OURS], peer_name=peer, peer=seconds[peer], higher_is_better=False, goal=goal
    )


def _smaller(name: str, peaks: Mapping[str, float], peer: str, goal: float | None = None) -> Row:
    return compared(
        name, "bytes", peaks[OURS], peer_name=peer, peer=peaks[peer], higher_is_better=False, goal=goal
    )


if __name__ == "__main__":
    sys.exit(run("load", ["torch", "safetensors"], measure))
