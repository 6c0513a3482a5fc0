"""Which files of a model's repository make up one checkpoint layout.

OpenAI's repositories hold the same weights three times (top level, original/, metal/); a pull takes one.
"""

from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase

from model.config.config_file import CONFIG_NAME
from model.hub.manifest import PublishedFile
from protos.errors import UnsupportedModelError

_ALWAYS = ("generation_config.json", "tokenizer*", "chat_template*", "special_tokens*", "LICENSE*")
_WEIGHTS = (CONFIG_NAME, "*.safetensors", "*.safetensors.index.json")


class Layout(StrEnum):
    """The names are those of the command line."""

    HUGGING_FACE = "hugging-face"
    ORIGINAL = "original"

    @property
    def folder(self) -> str:
        """Where config.json and the weights lie in the model folder; empty for the model folder itself."""
        return "original" if self is Layout.ORIGINAL else ""

    @property
    def config_path(self) -> str:
        return f"{self.folder}/{CONFIG_NAME}".lstrip("/")

    def select(self, published: Iterable[PublishedFile]) -> tuple[PublishedFile, ...]:
        """The files to fetch, config.json first: it decides whether the others are worth fetching."""
        wanted = [file for file in published if self._wants(file.path)]
        paths = {file.path for file in wanted}
        if self.config_path not in paths or not any(path.endswith(".safetensors") for path in paths):
            raise UnsupportedModelError(
                f"the repository holds no {self.config_path} with *.safetensors beside it, so it is no "
                f"checkpoint in the layout {self.value!r}"
            )
        return tuple(sorted(wanted, key=lambda file: (file.path != self.config_path, file.path)))

    def _wants(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        wanted = (_ALWAYS if folder == "" else ()) + (_WEIGHTS if folder == self.folder else ())
        return any(fnmatchcase(name, pattern) for pattern in wanted)
