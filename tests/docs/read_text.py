"""Blocks that are not run: whether they are what their kind says."""

import json

from cluster.config.config_file import parse_config
from cluster.config.yaml_document import YamlDocument
from protos.errors import ConfigError
from tests.docs.blocks import Block, PageError


def read_text(block: Block) -> None:
    """Raises PageError for JSON that is none, and for YAML that our own loader would not take."""
    try:
        match block.kind:
            case "json":
                json.loads(block.text)
            case "jsonl":
                for line in block.text.splitlines():
                    json.loads(line)
            case "yaml":
                _read_configuration(block)
    except (ValueError, ConfigError) as error:
        raise PageError(f"{block.place}: {error}") from error


def _read_configuration(block: Block) -> None:
    values = YamlDocument.parse(block.text).values
    if not isinstance(values, dict):
        raise PageError(f"{block.place}: {values!r} holds no keys")
    parse_config({"model": "any", **values}, block.place)
