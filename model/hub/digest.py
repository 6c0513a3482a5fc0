"""The hash of a file, in the two forms that the model hub publishes.

Not here: when to hash, or what to do about a difference (model.hub.manifest, model.hub.pull).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from protos.errors import DamagedModelError

CHUNK_BYTES = 1 << 20


class DigestKind(StrEnum):
    """Large files are published with their SHA-256, small ones with the id of their git blob."""

    SHA256 = "sha256"
    GIT_BLOB = "git-sha1"


@dataclass(frozen=True, slots=True)
class Digest:
    """Written as `sha256:…` or `git-sha1:…`."""

    kind: DigestKind
    value: str  # lower-case hexadecimal

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.value}"

    @classmethod
    def parse(cls, text: str) -> "Digest":
        kind, _, value = text.partition(":")
        if kind not in {known.value for known in DigestKind}:
            raise DamagedModelError(f"{text!r} is not a digest; it starts with sha256: or git-sha1:")
        return cls(DigestKind(kind), value)


def digest_file(path: Path, kind: DigestKind, reach: Callable[[int], None]) -> Digest:
    """Hash the whole file; `reach` hears how many of its bytes are done."""
    if kind is DigestKind.SHA256:
        state = hashlib.sha256()
    else:  # git's blob id covers the length too; SHA-1 is its choice, not ours
        state = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as source:
        while chunk := source.read(CHUNK_BYTES):
            state.update(chunk)
            reach(source.tell())
    return Digest(kind, state.hexdigest())
