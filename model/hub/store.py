"""Where a pulled model lies: in huggingface_hub's cache, or in a folder of the operator's choice.

Only whole and checked files enter; partial ones wait in `.expertmesh/staging`, on the same disk. The cache's
layout is the documented one (blobs named by digest, snapshots that link to them, refs), so other programs
find what we fetched, and we take over what they fetched.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # exported at run time only

from model.hub.manifest import MANIFEST_NAME, PublishedFile, read_manifest
from model.hub.reference import ModelReference
from model.hub.settings import HubSettings
from protos.errors import HubError


class Store(Protocol):
    """One commit of one model on this machine."""

    @property
    def root(self) -> Path:
        """Holds everything below, so that files enter by renaming."""

    @property
    def folder(self) -> Path:
        """The model folder: what the loader reads."""

    def adopt(self, file: PublishedFile) -> None:
        """Show the file in the model folder if a copy of it lies elsewhere in the store."""

    def land(self, staged: Path, file: PublishedFile) -> None:
        """Move a checked file into the model folder."""

    def discard(self, file: PublishedFile) -> None:
        """Remove a damaged file, or refuse when it may not be ours."""

    def name_commit(self, revision: str, is_whole: bool) -> None:
        """Remember which commit the revision stands for."""


@dataclass(frozen=True, slots=True)
class FolderStore:
    """A plain folder with real files, ready to be copied to another machine."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root

    def adopt(self, file: PublishedFile) -> None: ...

    def land(self, staged: Path, file: PublishedFile) -> None:
        target = self.root / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)

    def discard(self, file: PublishedFile) -> None:
        path = self.root / file.path
        if read_manifest(self.root) is None:
            raise HubError(
                f"{path} exists, is not the file of this model, and may be yours; pull into an empty folder"
            )
        path.unlink()

    def name_commit(self, revision: str, is_whole: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class CacheStore:
    """One snapshot of one repository in huggingface_hub's cache."""

    root: Path
    commit: str

    @classmethod
    def of(cls, pinned: ModelReference, settings: HubSettings) -> "CacheStore":
        owner, _, name = pinned.repository.partition("/")
        return cls(settings.cache / f"models--{owner}--{name}", pinned.revision)

    @property
    def folder(self) -> Path:
        return self.root / "snapshots" / self.commit

    def adopt(self, file: PublishedFile) -> None:
        if self._blob(file).exists() and not (self.folder / file.path).exists():
            self._link(file)

    def land(self, staged: Path, file: PublishedFile) -> None:
        blob = self._blob(file)
        blob.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(blob)
        self._link(file)

    def discard(self, file: PublishedFile) -> None:
        """The blob may itself be a link, into a store that several repositories share."""
        path = self.folder / file.path
        while path.is_symlink():
            target = path.parent / path.readlink()
            path.unlink()
            path = target
        path.unlink(missing_ok=True)

    def name_commit(self, revision: str, is_whole: bool) -> None:
        """A ref that stands keeps naming the old whole snapshot until the new one is whole."""
        ref = self.root / "refs" / revision
        if revision == self.commit or (ref.exists() and not is_whole):
            return
        ref.parent.mkdir(parents=True, exist_ok=True)
        unfinished = ref.with_name(f"{ref.name}.unfinished")
        unfinished.write_text(self.commit)
        unfinished.replace(ref)

    def _blob(self, file: PublishedFile) -> Path:
        return self.root / "blobs" / file.digest.value

    def _link(self, file: PublishedFile) -> None:
        pointer = self.folder / file.path
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.unlink(missing_ok=True)
        blob = self._blob(file)
        try:
            pointer.symlink_to(os.path.relpath(blob, pointer.parent))
        except OSError:  # a disk without links: the snapshot holds the file itself
            blob.replace(pointer)


def cached_folder(reference: ModelReference, settings: HubSettings) -> Path | None:
    """The snapshot that the cache holds of this revision, found without the network; perhaps not whole."""
    manifest = try_to_load_from_cache(
        reference.repository, MANIFEST_NAME, cache_dir=settings.cache, revision=reference.revision
    )
    return Path(manifest).parent if isinstance(manifest, str) else None


def staging_of(store: Store) -> Path:
    return store.root / ".expertmesh" / "staging"


def clear_staging(store: Store) -> None:
    shutil.rmtree(staging_of(store), ignore_errors=True)


@contextmanager
def locked(store: Store, note: Callable[[str], None]) -> Iterator[None]:
    """One pull at a time into a store; a second one waits, and then finds the work done."""
    path = store.root / ".expertmesh" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(WeakFileLock(path, timeout=0.1))
        except TimeoutError:
            note(f"another pull into {store.root} is running; waiting for it to end")
            stack.enter_context(WeakFileLock(path))
        yield
