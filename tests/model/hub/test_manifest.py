import hashlib
from pathlib import Path

import pytest

from model.hub.digest import Digest, DigestKind, digest_file
from model.hub.manifest import MANIFEST_NAME, Manifest, PublishedFile, read_manifest, verify
from protos.errors import DamagedModelError, HubError

WEIGHTS = bytes(range(256)) * 9_000  # more than one chunk of hashing
CONFIG = b'{"a": 1}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "original").mkdir()
    (tmp_path / "original" / "w.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "config.json").write_bytes(CONFIG)
    weights = Digest(DigestKind.SHA256, hashlib.sha256(WEIGHTS).hexdigest())
    # `git hash-object` of the nine bytes of CONFIG
    config = Digest(DigestKind.GIT_BLOB, hashlib.sha1(b"blob 9\0" + CONFIG).hexdigest())
    files = (
        PublishedFile("config.json", len(CONFIG), config),
        PublishedFile("original/w.safetensors", len(WEIGHTS), weights),
    )
    Manifest("acme/tiny", "main", "c" * 40, files).write(tmp_path)
    return tmp_path


def test_intact_folder_passes(folder: Path) -> None:
    assert verify(folder).num_bytes == len(WEIGHTS) + len(CONFIG)


def test_git_blob_id_is_that_of_git(tmp_path: Path) -> None:
    """The id of the empty blob is known to every repository."""
    (tmp_path / "empty").touch()
    digest = digest_file(tmp_path / "empty", DigestKind.GIT_BLOB, lambda _: None)
    assert str(digest) == "git-sha1:e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


@pytest.mark.parametrize("path", ["config.json", "original/w.safetensors"])
@pytest.mark.parametrize("at", [0, -1])
def test_one_flipped_bit_is_found(folder: Path, path: str, at: int) -> None:
    content = bytearray((folder / path).read_bytes())
    content[at] ^= 1
    (folder / path).write_bytes(content)
    with pytest.raises(DamagedModelError, match=rf"{path} has \S+:\w+, expected"):
        verify(folder)


def test_every_fault_is_named(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "original" / "w.safetensors").write_bytes(WEIGHTS[:-5])
    with pytest.raises(
        DamagedModelError, match=r"config\.json is missing; original/w\.\S+ has 2303995 bytes"
    ):
        verify(folder)


def test_folder_without_a_manifest_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=f"holds no {MANIFEST_NAME}"):
        verify(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": 1, "repository": "a/b", "revision": "m", "commit": "c", "files": [{"path": "x"}]}',
        '{"format": 1, "files": [{"path": "x", "bytes": 1, "digest": "md5:00"}]}',
    ],
)
def test_manifest_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST_NAME).write_text(text)
    with pytest.raises(DamagedModelError):
        read_manifest(tmp_path)


def test_manifest_survives_the_disk(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest is not None
    manifest.write(folder / "elsewhere")
    assert read_manifest(folder / "elsewhere") == manifest


def test_what_is_no_folder_is_called_so(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(HubError, match=r"nothing does not exist; name a folder"):
        verify(tmp_path / "nothing")
    with pytest.raises(HubError, match=r"file is not a folder; name a folder"):
        verify(file)
