"""Writes a whole model as a checkpoint of either layout: config.json, files of bounded size, an index.

Each tensor goes to disk as it lies in memory, one after the other. Not here: reading (`model.checkpoint`) and
the weights themselves. Called by tests, benchmarks and whoever wants a demonstration model on disk.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from model.checkpoint.assembly import find_weight
from model.checkpoint.layouts import HUGGING_FACE, Layout, TensorPart
from model.checkpoint.safetensors_file import SafetensorsWriter
from model.checkpoint.tensor_folder import INDEX_NAME
from model.checkpoint.weight_names import Weight, every_weight
from model.config import ModelConfig
from model.config.config_writer import hugging_face_document, original_document, write_config
from model.weights import ModelWeights
from protos.errors import CheckpointError, TensorMissingError

MAX_FILE_BYTES = 5 << 30


def write_checkpoint(
    config: ModelConfig,
    weights: ModelWeights,
    folder: Path,
    *,
    layout: Layout = HUGGING_FACE,
    rope_parameters: bool = False,
    max_file_bytes: int = MAX_FILE_BYTES,
) -> None:
    """`rope_parameters` writes the newer keys of the Hugging Face config.json."""
    if layout == HUGGING_FACE:
        document = hugging_face_document(config, rope_parameters=rope_parameters)
    else:
        document = original_document(config)
    _check_experts(config, weights)
    pieces = [
        _Piece(part, _rows(weights, weight, part))
        for weight in every_weight(config)
        for part in layout.parts(config, weight)
    ]
    groups = _group(pieces, max_file_bytes)
    file_names = _file_names(layout, len(groups))
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_other_files(folder, file_names)
    write_config(folder, document)
    _write_files(folder, file_names, groups)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A tensor of a file, and the rows of ours that go into it."""

    part: TensorPart
    rows: Tensor


def _check_experts(config: ModelConfig, weights: ModelWeights) -> None:
    expected = tuple(range(config.num_experts))
    for layer, experts in weights.experts.items():
        if experts.expert_ids != expected:
            raise TensorMissingError(
                f"layer {layer}: a checkpoint holds experts {expected}, found {experts.expert_ids} in memory"
            )


def _rows(weights: ModelWeights, weight: Weight, part: TensorPart) -> Tensor:
    tensor = find_weight(weights, weight)
    if tensor is None:
        raise TensorMissingError(
            f"{weight}: a checkpoint holds a whole model, and this slice lacks that tensor"
        )
    return tensor[part.first_row : part.first_row + part.spec.shape[0]]


def _group(pieces: Iterable[_Piece], max_bytes: int) -> list[list[_Piece]]:
    """In order; only a single tensor may be larger than `max_bytes`."""
    groups: list[list[_Piece]] = [[]]
    num_bytes = 0
    for piece in pieces:
        num_bytes += piece.part.spec.num_bytes
        if groups[-1] and num_bytes > max_bytes:
            groups.append([])
            num_bytes = piece.part.spec.num_bytes
        groups[-1].append(piece)
    return groups


def _file_names(layout: Layout, num_files: int) -> list[str]:
    if num_files == 1:
        return ["model.safetensors"]
    numbers = range(1, num_files + 1)
    return [f"{layout.file_stem}{number:05}-of-{num_files:05}.safetensors" for number in numbers]


def _refuse_other_files(folder: Path, file_names: Sequence[str]) -> None:
    """Files of an earlier, other checkpoint would be taken for a part of this one."""
    ours = {*file_names, INDEX_NAME} if len(file_names) > 1 else set(file_names)
    found = {path.name for path in folder.glob("*.safetensors")} | {
        path.name for path in folder.glob(INDEX_NAME)
    }
    if found - ours:
        raise CheckpointError(
            f"{folder} already holds {', '.join(sorted(found - ours))}, which this checkpoint would not "
            f"replace; write it into an empty folder"
        )


def _write_files(folder: Path, file_names: Sequence[str], groups: Sequence[Sequence[_Piece]]) -> None:
    name_to_file: dict[str, str] = {}
    for file_name, group in zip(file_names, groups, strict=True):
        with SafetensorsWriter(folder / file_name, [piece.part.spec for piece in group]) as writer:
            for piece in group:
                writer.write(piece.part.spec.name, piece.rows)
                name_to_file[piece.part.spec.name] = file_name
    if len(groups) > 1:
        _write_index(folder, name_to_file, sum(piece.rows.nbytes for group in groups for piece in group))


def _write_index(folder: Path, name_to_file: dict[str, str], num_bytes: int) -> None:
    index = {"metadata": {"total_size": num_bytes}, "weight_map": name_to_file}
    (folder / INDEX_NAME).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")
