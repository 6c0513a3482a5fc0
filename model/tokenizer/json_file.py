"""Reads a JSON object from a file of the model folder, or says which file is at fault and how to mend it.

Not here: what the keys mean; `vocabulary_file` and `stop_ids` know.
"""

from pathlib import Path

from model.strict_json import parse_object
from protos.errors import TokenizerError


def read_object(path: Path) -> dict[str, object]:
    try:
        return parse_object(path.read_bytes())
    except FileNotFoundError as error:
        raise TokenizerError(
            f"{path} does not exist; a model folder that is to be served with text holds tokenizer.json and "
            f"generation_config.json, so pull the whole model or copy both files from it"
        ) from error
    except OSError as error:
        raise TokenizerError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise TokenizerError(f"{path} is not valid JSON: {error}; pull or copy it again") from error


def as_object(value: object, place: str, path: Path) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TokenizerError(f"{path}: {place} is {shorten(value)}, expected an object")
    return value


def as_list(value: object, place: str, path: Path) -> list[object]:
    if not isinstance(value, list):
        raise TokenizerError(f"{path}: {place} is {shorten(value)}, expected a list")
    return value


def as_text(value: object, place: str, path: Path) -> str:
    if not isinstance(value, str) or not value:
        raise TokenizerError(f"{path}: {place} is {shorten(value)}, expected text")
    return value


def as_token_id(value: object, place: str, path: Path, vocab_size: int) -> int:
    if type(value) is not int or not 0 <= value < vocab_size:
        raise TokenizerError(
            f"{path}: {place} is {shorten(value)}; the model's vocabulary has the tokens 0 to "
            f"{vocab_size - 1} (vocab_size in config.json), so this file belongs to another model"
        )
    return value


def shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
