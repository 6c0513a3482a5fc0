"""Every key of the configuration file with its default and its description, read off the dataclasses.

Not here: values (`config`). Messages (`config_file`) and the test of docs/config.md walk this list.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from typing import get_args

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from cluster.config.config import Config

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """A key that holds a value, or a section."""

    path: KeyPath
    is_section: bool
    description: str
    default: str | None  # as in the file, where nothing may stand; None: the key must be there

    @property
    def name(self) -> str:
        return str(self.path[-1])

    @property
    def full_name(self) -> str:
        return ".".join(map(str, self.path))


def every_key(section: type[object] = Config, above: KeyPath = ()) -> Iterator[ConfigKey]:
    """In the order of the classes; a section comes before its keys."""
    fields: dict[str, FieldInfo] = section.__pydantic_fields__  # type: ignore[attr-defined]
    for name, field in fields.items():
        path = (*above, name)
        inner = _section_of(field)
        if inner is None:
            yield ConfigKey(path, False, field.description or "", _default_of(field))
        else:
            summary = (inner.__doc__ or "").partition("\n")[0]
            yield ConfigKey(path, True, summary, "")
            yield from every_key(inner, path)


def keys_in(section: KeyPath) -> list[ConfigKey]:
    """The keys that stand directly in the section at this path."""
    return [key for key in every_key() if key.path[:-1] == section]


def key_at(path: KeyPath) -> ConfigKey | None:
    return next((key for key in every_key() if key.path == path), None)


def _section_of(field: FieldInfo) -> type[object] | None:
    hint: object = field.annotation
    kinds = (hint, *get_args(hint))
    return next((kind for kind in kinds if isinstance(kind, type) and is_dataclass(kind)), None)


def _default_of(field: FieldInfo) -> str | None:
    if field.is_required():
        return None
    value: object = TypeAdapter(object).dump_python(field.default, mode="json")
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)
