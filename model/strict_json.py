"""Parses JSON objects that come from outside: a model's config.json, an index, a safetensors header.

Stricter than the standard library: UTF-8 only, no key twice, no NaN or infinity. Not here: what the keys
mean. The callers turn the ValueError into their own typed error, which names the file.
"""

import json
import math


def parse_object(document: bytes) -> dict[str, object]:
    """The object that `document` holds; ValueError says why it is none."""
    try:
        parsed = json.loads(
            document.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(parsed, dict):
        raise ValueError(f"it holds {type(parsed).__name__}, expected an object")
    return parsed


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    parsed = dict(pairs)
    if len(parsed) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the key {name!r} stands there twice")
            seen.add(name)
    return parsed


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value
