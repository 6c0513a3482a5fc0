"""The keys of one JSON object, taken one by one with their types checked; what is left is refused.

Not here: which keys a model's configuration has (`config_file`, the only caller). Messages name the
key; the caller adds the file.
"""

from collections.abc import Mapping
from typing import TypeVar

from protos.errors import ConfigError

Json = Mapping[str, object]
T = TypeVar("T", int, float, bool, str)


class ConfigFields:
    """One object of a configuration file; remembers which keys were read, so that the rest can be refused."""

    def __init__(self, document: Json, prefix: str = "") -> None:
        self._unread = dict(document)
        self._prefix = prefix

    def has(self, key: str) -> bool:
        return self._unread.get(key) is not None

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        value = self._unread.pop(key, None)
        if value is None:
            if default is None:
                raise ConfigError(f"{self._named(key)} is missing")
            return default
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise ConfigError(f"{self._named(key)} is {value!r}, expected {kind.__name__}")
        return value

    def take_object(self, key: str) -> "ConfigFields":
        value = self._unread.pop(key, None)
        if not isinstance(value, dict):
            raise ConfigError(f"{self._named(key)} is {value!r}, expected an object")
        return ConfigFields(value, f"{self._prefix}{key}.")

    def take_list(self, key: str) -> list[object] | None:
        value = self._unread.pop(key, None)
        if value is not None and not isinstance(value, list):
            raise ConfigError(f"{self._named(key)} is {value!r}, expected a list")
        return value

    def require(self, key: str, only_value: object) -> None:
        """The key must be there and hold that value."""
        if not self.has(key):
            raise ConfigError(f"{self._named(key)} is missing, expected {only_value!r}")
        self.allow(key, only_value)

    def allow(self, key: str, only_value: object) -> None:
        """The key may be absent; if it is there, it holds that value."""
        value = self._unread.pop(key, None)
        if value is not None and value != only_value:
            raise ConfigError(
                f"{self._named(key)} is {value!r}; ExpertMesh implements only {only_value!r} here"
            )

    def discard(self, keys: frozenset[str]) -> None:
        for key in keys:
            self._unread.pop(key, None)

    def refuse_unread(self) -> None:
        if self._unread:
            names = ", ".join(self._named(key) for key in sorted(self._unread))
            raise ConfigError(
                f"unknown {names}; ExpertMesh refuses settings that it does not know, since they may change "
                f"what the model computes"
            )

    def _named(self, key: str) -> str:
        return repr(self._prefix + key)
