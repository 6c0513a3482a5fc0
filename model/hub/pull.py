"""`pull`: a model of the hub becomes a checked folder on this machine.

The order is what makes it safe: ask for the commit and its files, keep what is already here and intact, read
config.json before anything large, make sure of the disk, write the manifest, then fetch, check and land one
file after the other. Offline, only the last manifest is consulted, and nothing is asked of the network.

Called by `expertmesh pull` and by whatever starts a server from a model's name.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from model.config.config_file import load_config
from model.hub.failures import hub_failures
from model.hub.file_progress import FileProgress, SilentProgress, format_bytes
from model.hub.layout import Layout
from model.hub.manifest import Manifest, PublishedFile, read_manifest, verify
from model.hub.reference import ModelReference
from model.hub.repository import describe
from model.hub.settings import HubSettings
from model.hub.store import (
    CacheStore,
    FolderStore,
    Store,
    cached_folder,
    clear_staging,
    locked,
    staging_of,
)
from model.hub.transfer import Transfer
from protos.errors import (
    ConfigError,
    DamagedModelError,
    DiskSpaceError,
    HubError,
    HubOfflineError,
    UnsupportedModelError,
)


@dataclass(frozen=True, slots=True)
class PulledModel:
    """A model folder whose files have just been checked against what the hub published."""

    folder: Path
    manifest: Manifest  # of the layout that was asked for; the folder may hold the other one too
    num_files_fetched: int


def pull(
    reference: ModelReference,
    destination: Path | None = None,
    layout: Layout = Layout.HUGGING_FACE,
    progress: FileProgress | None = None,
    settings: HubSettings | None = None,
) -> PulledModel:
    """Without a destination the model goes to huggingface_hub's cache."""
    progress = progress or SilentProgress()
    settings = settings or HubSettings()
    if settings.is_offline:
        return _held_offline(reference, destination, layout, progress, settings)
    remote = describe(reference, settings, progress)
    files = layout.select(remote.files)
    store = FolderStore(destination) if destination else CacheStore.of(remote.pinned, settings)
    transfer = Transfer(remote.pinned, staging_of(store), settings, progress)
    wanted = Manifest(reference.repository, reference.revision, remote.commit, files)
    with hub_failures(reference, settings), locked(store, progress.note):
        return _Pull(wanted, store, transfer, progress).run()


@dataclass(frozen=True, slots=True)
class _Pull:
    """The steps, under the store's lock."""

    wanted: Manifest  # config.json first
    store: Store
    transfer: Transfer
    progress: FileProgress

    def run(self) -> PulledModel:
        manifest = self._manifest()
        self.progress.begin(len(self.wanted.files), self.wanted.num_bytes)
        missing = [file for file in self.wanted.files if not self._is_held(file)]
        others = self._after_config(missing)
        self._require_space(others)
        manifest.write(self.store.folder)
        self.store.name_commit(manifest.revision, is_whole=False)
        for file in others:
            self.store.land(self._fetch_checked(file), file)
        self.store.name_commit(manifest.revision, is_whole=True)
        clear_staging(self.store)
        return PulledModel(self.store.folder, self.wanted, len(missing))

    def _manifest(self) -> Manifest:
        """What the folder will hold: this pull's files and those of earlier pulls of the same commit."""
        standing = read_manifest(self.store.folder)
        if standing is None:
            return self.wanted
        if (standing.repository, standing.commit) != (self.wanted.repository, self.wanted.commit):
            raise HubError(
                f"{self.store.folder} already holds {standing.name}; pull {self.wanted.name} into another "
                f"folder, or remove that one first"
            )
        return self.wanted.with_files_of(standing)

    def _is_held(self, file: PublishedFile) -> bool:
        """Hash what is already here; a damaged file makes room for a new copy."""
        self.store.adopt(file)
        path = self.store.folder / file.path
        if not path.exists():
            return False
        self.progress.begin_file(file.path, file.num_bytes)
        fault = file.fault(path, self.progress)
        if fault is None:
            self.progress.end_file("already here")
            return True
        self.store.discard(file)
        self.progress.reach(0)
        self.progress.note(f"{fault}; fetching it again")
        return False

    def _after_config(self, missing: list[PublishedFile]) -> list[PublishedFile]:
        """Make sure of config.json before gigabytes follow; the other missing files."""
        config = self.wanted.files[0]
        if config in missing:
            staged = self._fetch_checked(config)
            self._require_servable(staged.parent)
            self.store.land(staged, config)
        else:
            self._require_servable((self.store.folder / config.path).parent)
        return [file for file in missing if file is not config]

    def _require_servable(self, folder: Path) -> None:
        try:
            load_config(folder)
        except ConfigError as error:
            clear_staging(self.store)
            raise UnsupportedModelError(
                f"{self.wanted.name} is not a checkpoint that ExpertMesh serves: {error}. Nothing else "
                f"was fetched"
            ) from error

    def _require_space(self, missing: list[PublishedFile]) -> None:
        num_bytes = sum(self.transfer.num_bytes_left(file) for file in missing)
        num_bytes_free = shutil.disk_usage(self.store.root).free
        if num_bytes > num_bytes_free:
            raise DiskSpaceError(
                f"{self.wanted.name} needs {format_bytes(num_bytes)} on the disk of {self.store.root}, "
                f"which has {format_bytes(num_bytes_free)} free; make room, or pull to another disk"
            )

    def _fetch_checked(self, file: PublishedFile) -> Path:
        self.progress.begin_file(file.path, file.num_bytes)
        staged = self.transfer.fetch(file)
        fault = file.fault(staged, SilentProgress())
        if fault is not None:
            staged.unlink()
            raise DamagedModelError(
                f"{fault}: damaged on its way from {self.transfer.settings.address}. The copy is removed; "
                f"pull again"
            )
        self.progress.end_file("fetched")
        return staged


def _held_offline(
    reference: ModelReference,
    destination: Path | None,
    layout: Layout,
    progress: FileProgress,
    settings: HubSettings,
) -> PulledModel:
    """What an earlier pull brought, checked against its manifest."""
    folder = destination or cached_folder(reference, settings)
    manifest = read_manifest(folder) if folder else None
    if folder is None or manifest is None:
        raise _offline_error(reference, f"no earlier pull of it is in {folder or settings.cache}")
    is_revision = reference.revision in (manifest.revision, manifest.commit)
    if manifest.repository != reference.repository or not is_revision:
        raise _offline_error(reference, f"{folder} holds {manifest.name}")
    if not manifest.holds(layout.config_path):
        raise _offline_error(reference, f"{folder} does not hold the layout {layout.value}")
    try:
        return PulledModel(folder, verify(folder, progress), num_files_fetched=0)
    except DamagedModelError as error:
        raise _offline_error(reference, str(error)) from error


def _offline_error(reference: ModelReference, reason: str) -> HubOfflineError:
    return HubOfflineError(
        f"offline, and {reference} is not whole on this machine: {reason}. On a machine with a network, run "
        f"`expertmesh pull {reference} --to FOLDER`; bring FOLDER here and run `expertmesh verify FOLDER`"
    )
