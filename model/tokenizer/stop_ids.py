"""Reads generation_config.json: the tokens that end a sequence.

Not here: stop strings, and what a request adds. `Tokenizer` is the only caller.
"""

from pathlib import Path

from model.tokenizer.json_file import as_token_id, read_object
from protos.errors import TokenizerError

GENERATION_CONFIG_NAME = "generation_config.json"
_KEY = "eos_token_id"


def read_stop_ids(folder: Path, vocab_size: int) -> frozenset[int]:
    path = folder / GENERATION_CONFIG_NAME
    value = read_object(path).get(_KEY)
    values: list[object] = value if isinstance(value, list) else [value]
    if value is None or not values:
        raise TokenizerError(
            f"{path}: {_KEY} is {value!r}; it must name the token or the list of tokens that end an answer, "
            f"or no sequence would ever end"
        )
    return frozenset(as_token_id(each, _KEY, path, vocab_size) for each in values)
