"""Brings the bytes of one file into a staging folder. They are not trusted yet: the caller checks the digest.

huggingface_hub does not hash what it downloaded, and version 2.4 deletes a partial file when a download ends
early, so that the next process starts again at zero. Over plain HTTP we therefore stream by ourselves,
through its session (its proxies, its token), into a partial file that outlives the process, and ask for the
rest with a Range header. Where the hub offers xet and the package hf_xet is installed, huggingface_hub does
the transfer; should xet fail once, plain HTTP takes over for good (hf_xet needs minutes to give up).
"""

from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import (
    get_hf_file_metadata,
    get_session,
    hf_hub_download,
    hf_hub_url,
    hf_raise_for_status,
)
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # exported at run time only

from model.hub.digest import DigestKind
from model.hub.failures import hub_failures, persist
from model.hub.file_progress import FileProgress
from model.hub.manifest import PublishedFile
from model.hub.reference import ModelReference
from model.hub.settings import HubSettings
from model.hub.xet import bar_reporting_to, is_xet_installed
from protos.errors import HubUnreachableError


@dataclass(slots=True)
class Transfer:
    """For the files of one commit, one at a time: at most one is partial, and Ctrl-C ends it at once."""

    pinned: ModelReference  # its revision is a commit
    staging: Path
    settings: HubSettings
    progress: FileProgress
    _xet_failed: bool = field(default=False, init=False)

    def fetch(self, file: PublishedFile) -> Path:
        """The staged file, of the published length."""
        staged = self.staging / file.path
        staged.parent.mkdir(parents=True, exist_ok=True)
        partial = self._partial(file)
        # What plain HTTP began it ends: xet would start at the first byte.
        if partial.exists() or not (self._is_offered_by_xet(file) and self._fetched_by_xet(file)):
            persist(lambda: self._continue(file), self.settings, self.progress.note, lambda: _size(partial))
            partial.replace(staged)
        return staged

    def num_bytes_left(self, file: PublishedFile) -> int:
        return max(0, file.num_bytes - _size(self._partial(file)))

    def _partial(self, file: PublishedFile) -> Path:
        """Named by its digest too, so that a new version of a file does not continue an old one."""
        return self.staging / f"{file.path}.{file.digest.value[:16]}.partial"

    def _continue(self, file: PublishedFile) -> None:
        """One request for the bytes that are not here yet."""
        partial = self._partial(file)
        start = _size(partial)
        if start < file.num_bytes:
            with hub_failures(self.pinned, self.settings):
                self._stream(file, partial, start)
        elif not partial.exists():
            partial.touch()  # an empty file is complete before it is asked for
        if _size(partial) < file.num_bytes:
            raise HubUnreachableError(
                f"{self.settings.address} sent {_size(partial)} of the {file.num_bytes} bytes of {file.path}"
            )

    def _stream(self, file: PublishedFile, partial: Path, start: int) -> None:
        headers = build_hf_headers(token=self.settings.token, library_name="expertmesh")
        headers["Accept-Encoding"] = "identity"  # a compressed answer has other offsets
        if start:
            headers["Range"] = f"bytes={start}-"
        timeout_s = self.settings.timeout_s
        with get_session().stream("GET", self._url(file), headers=headers, timeout=timeout_s) as response:
            hf_raise_for_status(response)
            # 200 in answer to a range: the server sends the file from its beginning.
            with partial.open("ab" if response.status_code == 206 else "wb") as sink:
                for chunk in response.iter_raw():
                    sink.write(chunk)
                    self.progress.reach(sink.tell())

    def _is_offered_by_xet(self, file: PublishedFile) -> bool:
        if self._xet_failed or file.digest.kind is not DigestKind.SHA256 or not is_xet_installed():
            return False
        return persist(lambda: self._asked_for_xet(file), self.settings, self.progress.note)

    def _asked_for_xet(self, file: PublishedFile) -> bool:
        with hub_failures(self.pinned, self.settings):
            metadata = get_hf_file_metadata(
                self._url(file),
                token=self.settings.token,
                timeout=self.settings.timeout_s,
                endpoint=self.settings.address,
            )
        return metadata.xet_file_data is not None

    def _fetched_by_xet(self, file: PublishedFile) -> bool:
        try:
            hf_hub_download(
                self.pinned.repository,
                file.path,
                revision=self.pinned.revision,
                local_dir=self.staging,
                cache_dir=self.settings.cache,
                endpoint=self.settings.address,
                token=self.settings.token,
                etag_timeout=self.settings.timeout_s,
                tqdm_class=bar_reporting_to(self.progress.reach),
            )
        except Exception as error:  # hf_xet has no error tree; plain HTTP will tell what is wrong
            self._xet_failed = True
            self.progress.note(f"xet failed for {file.path} ({error}); going on over plain HTTP")
            self.progress.reach(0)
        return not self._xet_failed

    def _url(self, file: PublishedFile) -> str:
        return hf_hub_url(
            self.pinned.repository, file.path, revision=self.pinned.revision, endpoint=self.settings.address
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
