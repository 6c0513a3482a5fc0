"""The rule of most settings, that numbers are above 0: frozen dataclasses check themselves by it."""

from dataclasses import fields
from typing import TYPE_CHECKING

from protos.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def check_positive(settings: "DataclassInstance") -> None:
    """Raises ConfigError about the first number that is not; what is no number is not looked at."""
    for each in fields(settings):
        value = getattr(settings, each.name)
        if isinstance(value, int | float) and not value > 0:
            raise ConfigError(f"{each.name} is {value}; it must be above 0")
