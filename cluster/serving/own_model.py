"""What a gateway knows of its model without loading any of it: names, and a tokenizer that is whole.

Needs no torch. Not here: what engines say of the model (`mesh_workers`).
"""

from dataclasses import dataclass
from pathlib import Path

from cluster.config.config import Config
from gateway.harmony.vocabulary import HarmonyVocabulary
from model.config.config_file import load_config
from model.tokenizer import Tokenizer
from protos.errors import TokenizerError


@dataclass(frozen=True, slots=True)
class OwnModel:
    """Of a folder with config.json, generation_config.json and tokenizer.json; weights need not be there."""

    name: str
    tokenizer: Tokenizer
    vocabulary: str  # the tokenizer's fingerprint

    @classmethod
    def open(cls, folder: Path, config: Config) -> "OwnModel":
        """Raises TokenizerError for one that harmony cannot be spoken with: before anything is loaded."""
        tokenizer = Tokenizer.open(folder, load_config(folder).vocab_size)
        try:
            HarmonyVocabulary.of(tokenizer)
        except TokenizerError as error:
            raise TokenizerError(f"{folder}: {error}") from error
        return cls(served_name(config), tokenizer, tokenizer.fingerprint())


def served_name(config: Config) -> str:
    """As configured, or the last part of a folder's or of a repository's name."""
    if config.gateway.model_name is not None:
        return config.gateway.model_name
    folder = Path(config.model)
    if folder.is_dir():
        return folder.absolute().name
    return config.model.rpartition("/")[2].partition("@")[0]
