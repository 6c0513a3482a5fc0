"""Reads the configuration file: YAML, every key known, every value of its kind; else an error in words.

A message names the file, the line, the key by its whole path, what it holds, and what to write instead.
Not here: what may be said (`config`). Called by `expertmesh serve` and `expertmesh plan`.
"""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from cluster.config.config import Config
from cluster.config.keys import KeyPath, every_key, key_at, keys_in
from cluster.config.yaml_document import YamlDocument
from protos.errors import ConfigError

_ADAPTER = TypeAdapter(Config)
_LONGEST_SHOWN = 60


def load_config(path: Path) -> Config:
    try:
        document = YamlDocument.parse(_read(path))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return _parse(document, str(path))


def parse_config(values: Mapping[str, object], source: str) -> Config:
    """From values that stand in no file; `source` names them in messages."""
    return _parse(YamlDocument(dict(values), None), source)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError("there is no such file; one with the line `model: NAME` is enough") from error
    except OSError as error:
        raise ConfigError(f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"byte {error.start} is not UTF-8") from error


def _parse(document: YamlDocument, source: str) -> Config:
    values = {} if document.values is None else document.values
    if not isinstance(values, dict):
        raise ConfigError(
            f"{source}: it holds {_shown(values)}; write keys with values, such as `model: NAME`"
        )
    try:
        config = _ADAPTER.validate_json(json.dumps(values))  # from JSON, strict still takes text for an enum
        _check_together(config, source)
    except ValidationError as error:
        in_order = sorted(error.errors(), key=lambda each: document.line_of(each["loc"]) or 0)
        raise ConfigError("\n".join(_sentence(each, document, source) for each in in_order)) from error
    return config


def _check_together(config: Config, source: str) -> None:
    """Refuses values that do not go together."""
    try:
        _ = config.engine.settings
    except ConfigError as error:
        raise ConfigError(f"{source}: engine: {error}") from error
    try:
        config.check_tls()
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def _sentence(error: ErrorDetails, document: YamlDocument, source: str) -> str:
    path = error["loc"]
    line = document.line_of(path)
    where = source if line is None else f"{source}, line {line}"
    return f"{where}: {_what_is_wrong(error, path, '.'.join(map(str, path)))}"


def _what_is_wrong(error: ErrorDetails, path: KeyPath, name: str) -> str:
    key = key_at(path)
    value = _shown(error["input"])
    match error["type"]:
        case "unexpected_keyword_argument":
            return f"the key {name} is unknown; {_nearest(path)}"
        case "missing":
            return f"the key {name} is missing; it is {'' if key is None else key.description}"
        case "dataclass_type":
            keys = ", ".join(inner.name for inner in keys_in(path))
            return f"{name} is {value}; it is a section, with the keys {keys}"
        case "string_pattern_mismatch" if key is not None:
            return f"{name} is {value}; it can be {key.description}"
        case _:
            limit = error["msg"].removeprefix("Input should be ")
            return f"{name} is {value}; it must be {limit}"


def _nearest(path: KeyPath) -> str:
    """The key that was probably meant: in the same section by its name, or the same name in another one."""
    beside = {key.name: key for key in keys_in(path[:-1])}
    if close := get_close_matches(str(path[-1]), beside, n=1):
        return f"did you mean {beside[close[0]].full_name}?"
    elsewhere = next((key for key in every_key() if key.name == path[-1]), None)
    if elsewhere is not None:
        return f"did you mean {elsewhere.full_name}?"
    return f"known here are {', '.join(beside)}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
