"""The last of a finished model: its licence, and hashes of what is served, for `expertmesh verify`."""

import shutil
from pathlib import Path

from model.config.config_file import CONFIG_NAME
from model.hub.digest import Digest, DigestKind, digest_file
from model.hub.manifest import Manifest, PublishedFile, read_manifest
from model.tokenizer.stop_ids import GENERATION_CONFIG_NAME
from model.tokenizer.vocabulary_file import TOKENIZER_NAME

_NAME = "expertmesh-demo"
_WEIGHTS_NAME = "model.safetensors"
_LICENSE = Path(__file__).parents[2] / "LICENSE"


def seal(folder: Path, seed: int) -> None:
    """No hub has given these weights a commit, so the beginning of their own hash stands for it."""
    shutil.copyfile(_LICENSE, folder / _LICENSE.name)
    names = (CONFIG_NAME, GENERATION_CONFIG_NAME, _WEIGHTS_NAME, TOKENIZER_NAME)
    files = tuple(
        PublishedFile(name, (folder / name).stat().st_size, _digest(folder / name)) for name in names
    )
    Manifest(_NAME, f"seed-{seed}", _digest(folder / _WEIGHTS_NAME).value[:40], files).write(folder)


def is_demo(folder: Path) -> bool:
    """Whether it holds what a training run has sealed."""
    manifest = read_manifest(folder)
    return manifest is not None and manifest.repository == _NAME


def _digest(path: Path) -> Digest:
    return digest_file(path, DigestKind.SHA256, lambda _: None)
