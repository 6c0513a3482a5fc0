"""What a pulled model folder should hold: every file with its size and digest, from one commit of the hub.

The manifest lies in the folder that it describes, is written before the first large file arrives, and
travels with the folder. So an interrupted pull knows what it lacks, and a machine without a network can
check a copy. Not here: the network, nor any import of huggingface_hub: `verify` must run without either.

Called by model.hub.pull and by `expertmesh verify`.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from model.hub.digest import Digest, digest_file
from model.hub.file_progress import FileProgress, SilentProgress
from protos.errors import DamagedModelError, HubError

MANIFEST_NAME = "expertmesh-manifest.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file as the hub published it."""

    path: str  # relative to the model folder, with forward slashes
    num_bytes: int
    digest: Digest

    def as_json(self) -> dict[str, str | int]:
        return {"path": self.path, "bytes": self.num_bytes, "digest": str(self.digest)}

    def fault(self, on_disk: Path, progress: FileProgress) -> str | None:
        """What is wrong with this copy, or None when it is byte for byte the published file."""
        if not on_disk.is_file():
            return f"{self.path} is missing"
        num_bytes = on_disk.stat().st_size
        if num_bytes != self.num_bytes:
            return f"{self.path} has {num_bytes} bytes, expected {self.num_bytes}"
        found = digest_file(on_disk, self.digest.kind, progress.reach)
        if found != self.digest:
            return f"{self.path} has {found}, expected {self.digest}"
        return None


@dataclass(frozen=True, slots=True)
class Manifest:
    """One commit of one model: the files that were wanted of it, all layouts together."""

    repository: str
    revision: str  # as it was asked for: a branch, a tag or the commit itself
    commit: str
    files: tuple[PublishedFile, ...]

    @property
    def num_bytes(self) -> int:
        return sum(file.num_bytes for file in self.files)

    @property
    def name(self) -> str:
        return f"{self.repository}@{self.commit}"

    def holds(self, path: str) -> bool:
        return any(file.path == path for file in self.files)

    def with_files_of(self, other: "Manifest") -> "Manifest":
        """Both layouts of one commit may lie in one folder, pulled one after the other."""
        ours = {file.path: file for file in self.files}
        theirs = {file.path: file for file in other.files}
        merged = tuple(file for _, file in sorted((theirs | ours).items()))
        return Manifest(self.repository, self.revision, self.commit, merged)

    def write(self, folder: Path) -> None:
        """Replace the folder's manifest in one step: a reader sees the old one or this one."""
        document = {
            "format": FORMAT,
            "repository": self.repository,
            "revision": self.revision,
            "commit": self.commit,
            "files": [file.as_json() for file in self.files],
        }
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{MANIFEST_NAME}.unfinished"
        unfinished.write_text(json.dumps(document, indent=1) + "\n")
        os.replace(unfinished, folder / MANIFEST_NAME)


def read_manifest(folder: Path) -> Manifest | None:
    """The folder's manifest, or None when it has none."""
    path = folder / MANIFEST_NAME
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            raise DamagedModelError(f"{path} has format {document['format']!r}; this version reads {FORMAT}")
        files = tuple(
            PublishedFile(str(entry["path"]), int(entry["bytes"]), Digest.parse(entry["digest"]))
            for entry in document["files"]
        )
        return Manifest(document["repository"], document["revision"], document["commit"], files)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedModelError(f"{path} is not a manifest ({error!r}); remove it and pull again") from error


def verify(folder: Path, progress: FileProgress | None = None) -> Manifest:
    """Hash every file that the folder's manifest names; raise with all that is missing or damaged."""
    progress = progress or SilentProgress()
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        raise HubError(f"{folder} {state}; name a folder that `expertmesh pull` made")
    manifest = read_manifest(folder)
    if manifest is None:
        raise HubError(
            f"{folder} holds no {MANIFEST_NAME}, so there is nothing to check it against; "
            f"folders made by `expertmesh pull` hold one"
        )
    progress.begin(len(manifest.files), manifest.num_bytes)
    faults = [fault for file in manifest.files if (fault := _checked(folder, file, progress))]
    if faults:
        raise DamagedModelError(f"{folder} is not {manifest.name} as published: {'; '.join(faults)}")
    return manifest


def _checked(folder: Path, file: PublishedFile, progress: FileProgress) -> str | None:
    progress.begin_file(file.path, file.num_bytes)
    fault = file.fault(folder / file.path, progress)
    progress.end_file("damaged" if fault else "intact")
    return fault
