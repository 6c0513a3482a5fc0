"""The name of a model on the hub, as a person types it: `gpt-oss-20b`, `owner/name`, `owner/name@revision`.

Not here: whether the hub knows it.
"""

import re
from dataclasses import dataclass

from protos.errors import HubError

DEFAULT_REVISION = "main"
PUBLISHER = "openai"
SHORT_NAMES = ("gpt-oss-20b", "gpt-oss-120b", "gpt-oss-safeguard-20b", "gpt-oss-safeguard-120b")

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", re.ASCII)
_PATH_BEGINNINGS = ("/", "./", "../", "~", ".\\", "\\")


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A repository and a branch, tag or commit of it."""

    repository: str  # owner/name
    revision: str = DEFAULT_REVISION

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}"

    @classmethod
    def parse(cls, text: str) -> "ModelReference":
        if text.startswith(_PATH_BEGINNINGS) or text in {".", ".."}:
            raise HubError(
                f"{text!r} is a path; pull takes the name of a model on the hub, such as "
                f"{PUBLISHER}/{SHORT_NAMES[0]}. A folder that is already on this machine needs no pull"
            )
        name, at, revision = text.partition("@")
        if at and not _is_safe(_REVISION, revision):
            raise HubError(f"{revision!r} is not a revision; write a branch, a tag or a commit after @")
        return cls(_repository_of(name), revision if at else DEFAULT_REVISION)


def _repository_of(name: str) -> str:
    if name in SHORT_NAMES:
        return f"{PUBLISHER}/{name}"
    if not _is_safe(_REPOSITORY, name):
        raise HubError(
            f"{name!r} is not the name of a model; write owner/name as the hub has it, or one of "
            f"{', '.join(SHORT_NAMES)}"
        )
    return name


def _is_safe(pattern: re.Pattern[str], text: str) -> bool:
    """Both become folder names; `..` could leave the cache, and the cache itself uses `--` to separate."""
    return pattern.fullmatch(text) is not None and ".." not in text
