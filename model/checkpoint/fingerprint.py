"""A short name for what a checkpoint holds, by which processes that loaded it apart know that it is the same.

Of the configuration, and of the first bytes of every tensor: a fine-tune, another release or a mixed folder
differ in some of them, and nothing is read whole. It proves no integrity: `expertmesh verify` does.
"""

import hashlib
import os
from pathlib import Path

from model.checkpoint.checkpoint import Checkpoint
from model.checkpoint.safetensors_header import TensorEntry
from protos.errors import CorruptFileError

_SAMPLED_BYTES = 64


def fingerprint(checkpoint: Checkpoint) -> str:
    """16 hexadecimal digits."""
    digest = hashlib.blake2b(repr(checkpoint.config).encode(), digest_size=8)
    file_to_entries: dict[Path, list[TensorEntry]] = {}
    for _, entry in sorted(checkpoint.tensors.items()):
        file_to_entries.setdefault(entry.file, []).append(entry)
    samples = [sample for file, entries in file_to_entries.items() for sample in _samples(file, entries)]
    for name, sample in sorted(samples):  # the same however tensors are spread over files
        digest.update(name.encode() + sample)
    return digest.hexdigest()


def _samples(path: Path, entries: list[TensorEntry]) -> list[tuple[str, bytes]]:
    try:
        with path.open("rb") as file:
            return [(entry.spec.name, _sample(file.fileno(), entry)) for entry in entries]
    except OSError as error:
        raise CorruptFileError(f"{path} cannot be read: {error.strerror}") from error


def _sample(file: int, entry: TensorEntry) -> bytes:
    return os.pread(file, min(_SAMPLED_BYTES, entry.spec.num_bytes), entry.first_byte)
