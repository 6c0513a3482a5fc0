"""The ways to load a checkpoint that `benchmarks.load` compares. Each returns what it holds afterwards.

"mapped" is what safetensors does on a CPU: it maps the file and reads nothing, so each page is touched, which
is when the reading happens. "copied" gives it memory of its own, as we have.
"""

import mmap
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from model.checkpoint import Checkpoint
from model.weights import ModelWeights, Selection

EXPERTS = range(3, 7)
_PAGE_BYTES = 4096


def load_whole(folder: Path) -> ModelWeights:
    checkpoint = Checkpoint.open(folder)
    return checkpoint.load(Selection.whole(checkpoint.config))


def load_experts(folder: Path) -> ModelWeights:
    checkpoint = Checkpoint.open(folder)
    layers = range(checkpoint.config.num_layers)
    return checkpoint.load(Selection(layer_to_experts=dict.fromkeys(layers, tuple(EXPERTS))))


def load_nothing(folder: Path) -> ModelWeights:
    return Checkpoint.open(folder).load(Selection())


def read_into_fresh_memory(file: Path) -> mmap.mmap:
    memory = mmap.mmap(-1, file.stat().st_size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with memoryview(memory) as view:
        read_into(file, view)
    return memory


def read_into(file: Path, unread: memoryview) -> None:
    with file.open("rb", buffering=0) as stream:
        while unread:
            unread = unread[stream.readinto(unread) :]


def safetensors_mapped(file: Path) -> list[Tensor]:
    tensors = _safetensors_whole(file)
    for tensor in tensors:
        _touch(tensor)
    return tensors


def safetensors_copied(file: Path) -> list[Tensor]:
    return [tensor.clone() for tensor in _safetensors_whole(file)]


def safetensors_experts_copied(file: Path) -> list[Tensor]:
    with safe_open(file, framework="pt") as opened:
        names = [name for name in opened.keys() if ".experts." in name]  # noqa: SIM118 - it is no mapping
        return [opened.get_slice(name)[EXPERTS.start : EXPERTS.stop].clone() for name in names]


def _safetensors_whole(file: Path) -> list[Tensor]:
    with safe_open(file, framework="pt") as opened:
        return [opened.get_tensor(name) for name in opened.keys()]  # noqa: SIM118


def _touch(tensor: Tensor) -> int:
    return int(tensor.view(-1).view(torch.uint8)[::_PAGE_BYTES].amax())
