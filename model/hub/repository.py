"""What the hub says about a model: the commit behind a revision, and every file with its size and digest.

Not here: which files are wanted (model.hub.layout) and their bytes (model.hub.transfer).
"""

from dataclasses import dataclass

from huggingface_hub import HfApi
from huggingface_hub.hf_api import ModelInfo, RepoSibling

from model.hub.digest import Digest, DigestKind
from model.hub.failures import hub_failures, persist
from model.hub.file_progress import FileProgress
from model.hub.manifest import PublishedFile
from model.hub.reference import ModelReference
from model.hub.settings import HubSettings
from protos.errors import HubError


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """One commit of a repository. A branch that moves later does not touch a pull that has begun."""

    reference: ModelReference
    commit: str
    files: tuple[PublishedFile, ...]

    @property
    def pinned(self) -> ModelReference:
        return ModelReference(self.reference.repository, self.commit)


def describe(reference: ModelReference, settings: HubSettings, progress: FileProgress) -> RemoteModel:
    """Ask the hub, in one request."""
    info = persist(lambda: _model_info(reference, settings), settings, progress.note)
    if info.sha is None or not info.siblings:
        raise HubError(f"{settings.address} names no commit or no files for {reference}; is it a model hub?")
    return RemoteModel(reference, info.sha, tuple(_published(file, reference) for file in info.siblings))


def _model_info(reference: ModelReference, settings: HubSettings) -> ModelInfo:
    api = HfApi(endpoint=settings.address, token=settings.token, library_name="expertmesh")
    with hub_failures(reference, settings):
        try:
            return api.model_info(
                reference.repository,
                revision=reference.revision,
                files_metadata=True,
                timeout=settings.timeout_s,
            )
        except (ValueError, KeyError, TypeError) as error:  # a captive portal's page is no JSON
            raise HubError(
                f"{settings.address} does not answer as a model hub ({error!r}); check HF_ENDPOINT and proxy"
            ) from error


def _published(file: RepoSibling, reference: ModelReference) -> PublishedFile:
    """The hub keeps SHA-256 for files in LFS or xet, and git's blob id for the others."""
    if file.size is None or (file.lfs is None and file.blob_id is None):
        raise HubError(f"the hub tells no size or no hash of {file.rfilename} in {reference}: unverifiable")
    if file.lfs is not None:
        return PublishedFile(file.rfilename, file.lfs.size, Digest(DigestKind.SHA256, file.lfs.sha256))
    return PublishedFile(file.rfilename, file.size, Digest(DigestKind.GIT_BLOB, str(file.blob_id)))
