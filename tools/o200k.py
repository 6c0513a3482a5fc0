"""Fetches o200k_base, the vocabulary of gpt-oss without its control tokens, which the tests of harmony want.

Nothing that runs in production reads it: a model brings its own tokenizer.json. It comes from the npm package
js-tiktoken and is checked byte for byte. Called by `make test`, and by the tests themselves.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "js-tiktoken@1.0.21"
SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
FOLDER = Path(__file__).parent.parent / "build" / "o200k"
FILE_NAME = "o200k_base.tiktoken"

_MEMBER = "package/dist/ranks/o200k_base.cjs"
_RANKS = re.compile(r'"bpe_ranks":("(?:[^"\\]|\\.)*")')
_PATIENCE_S = 120


class AbsentError(Exception):
    """The vocabulary cannot be had here; the message says why, and how it could."""


def fetch(folder: Path | None = None) -> Path:
    """The file of `base64 rank` lines, fetched the first time; in FOLDER unless said otherwise."""
    folder = folder or FOLDER
    path = folder / FILE_NAME
    if path.is_file() and _is_whole(path.read_bytes()):
        return path
    written = "".join(_lines(_packed_ranks())).encode()
    if not _is_whole(written):
        raise AbsentError(f"{PACKAGE} does not give the bytes of {SHA256}; the package is not what it was")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(written)
    Path(file.name).replace(path)
    return path


def _is_whole(content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == SHA256


def _packed_ranks() -> str:
    npm = shutil.which("npm")
    if npm is None:
        raise AbsentError(f"npm is not installed; with it, `npm pack {PACKAGE}` would bring the vocabulary")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", PACKAGE, "--pack-destination", folder]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PATIENCE_S)
        except subprocess.SubprocessError as error:
            said = getattr(error, "stderr", None) or str(error)
            raise AbsentError(f"`npm pack {PACKAGE}` failed: {said.strip()[:300]}") from error
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as opened:
            member = opened.extractfile(_MEMBER)
            assert member is not None
            found = _RANKS.search(member.read().decode())
    assert found is not None
    return str(json.loads(found[1]))


def _lines(packed: str) -> Iterator[str]:
    """Packed are lines `! first-rank token token …`."""
    for line in filter(None, packed.split("\n")):
        _, first, *tokens = line.split(" ")
        yield from (f"{token} {rank}\n" for rank, token in enumerate(tokens, start=int(first)))


def main() -> None:
    """A machine without it runs the other tests; those of harmony say that they are skipped."""
    try:
        fetch()
    except AbsentError as error:
        print(f"o200k: {error}; tests that need it are skipped", file=sys.stderr)


if __name__ == "__main__":
    main()
