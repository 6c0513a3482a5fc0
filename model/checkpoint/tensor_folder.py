"""All tensors of a folder's safetensors files, by name, agreed with the index where there is one.

Not here: which tensors a model needs (`layouts`) and reading them. `model.checkpoint` calls this.
"""

from collections.abc import Mapping
from pathlib import Path

from model.checkpoint.safetensors_header import TensorEntry, read_header
from model.strict_json import parse_object
from protos.errors import CheckpointError, CorruptFileError, TensorMissingError, TensorSurplusError

INDEX_NAME = "model.safetensors.index.json"


def scan_folder(folder: Path) -> Mapping[str, TensorEntry]:
    """Read every header. Sub-folders belong to other layouts."""
    tensors: dict[str, TensorEntry] = {}
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise CheckpointError(
            f"{folder}: holds no *.safetensors file; is it the model's folder, and is it whole?"
        )
    for file in files:
        for name, entry in read_header(file).items():
            if name in tensors:
                raise TensorSurplusError(f"{entry} is already in {tensors[name].file.name}, expected it once")
            tensors[name] = entry
    _check_index(folder / INDEX_NAME, tensors)
    return tensors


def _check_index(index: Path, tensors: Mapping[str, TensorEntry]) -> None:
    """The index says which file each tensor is in; without one, the headers alone do."""
    name_to_file = _read_index(index)
    if name_to_file is None:
        return
    for name, file_name in name_to_file.items():
        expected = index.parent / str(file_name)
        if not expected.exists():
            raise TensorMissingError(
                f"{expected}: does not exist, but {index.name} expects tensor {name!r} in it"
            )
        found = tensors.get(name)
        if found is None or found.file != expected:
            elsewhere = "in no file" if found is None else f"in {found.file.name}"
            raise TensorMissingError(
                f"{expected}: tensor {name!r} is expected here by {index.name}, found {elsewhere}"
            )
    for name, entry in tensors.items():
        if name not in name_to_file:
            raise TensorSurplusError(f"{entry} is not in {index.name}; a file of another model may lie here")


def _read_index(index: Path) -> Mapping[str, object] | None:
    try:
        name_to_file = parse_object(index.read_bytes()).get("weight_map")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CorruptFileError(f"{index}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CorruptFileError(f"{index}: is not an index: {error}") from error
    if not isinstance(name_to_file, dict):
        raise CorruptFileError(f"{index}: 'weight_map' is {type(name_to_file).__name__}, expected an object")
    return name_to_file
