"""The table of docs/config.md: every key of the configuration file."""

from pathlib import Path

from cluster.config.keys import ConfigKey, every_key
from tools.docs.markdown import table


def config_keys(_: Path) -> str:
    rows = [
        (f"`{key.full_name}`", _default(key), key.description) for key in every_key() if not key.is_section
    ]
    return table(("key", "default", "meaning"), rows)


def _default(key: ConfigKey) -> str:
    if key.default is None:
        return "must be there"
    return f"`{key.default}`" if key.default else "empty"
