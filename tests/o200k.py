"""A model folder with gpt-oss's vocabulary, for tests that must speak as gpt-oss does; skipped where it is
absent.

tokenizer.json is built from the ranks: whatever pair of tokens makes a third is a merge, in the order of the
thirds.
"""

import base64
import json
import tempfile
from pathlib import Path

import pytest

from model.tokenizer.byte_alphabet import spell
from tools import o200k

VOCAB_SIZE = 201_088
NAME_TO_ID = {
    "<|startoftext|>": 199998,
    "<|endoftext|>": 199999,
    "<|return|>": 200002,
    "<|constrain|>": 200003,
    "<|channel|>": 200005,
    "<|start|>": 200006,
    "<|end|>": 200007,
    "<|message|>": 200008,
    "<|call|>": 200012,
}
STOP_NAMES = ("<|return|>", "<|endoftext|>", "<|call|>")
_FIRST_SPECIAL = 199_998
_SUFFIXES = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + _SUFFIXES,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + _SUFFIXES,
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


def require_o200k() -> Path:
    """A folder that holds o200k_base.tiktoken, tokenizer.json and generation_config.json."""
    try:
        path = o200k.fetch()
    except o200k.AbsentError as error:
        pytest.skip(f"the vocabulary o200k_base is absent: {error}")
    if not (path.parent / "tokenizer.json").is_file():
        stop_ids = [NAME_TO_ID[name] for name in STOP_NAMES]
        _write(path.parent / "generation_config.json", {"eos_token_id": stop_ids})
        _write(path.parent / "tokenizer.json", _document(_read_ranks(path)))
    return path.parent


def _read_ranks(path: Path) -> dict[bytes, int]:
    pairs = (line.split() for line in path.read_bytes().splitlines())
    return {base64.b64decode(token): int(rank) for token, rank in pairs}


def _document(ranks: dict[bytes, int]) -> object:
    merges = [
        [spell(token[:cut]), spell(token[cut:])]
        for token in ranks
        for cut in range(1, len(token))
        if token[:cut] in ranks and token[cut:] in ranks
    ]
    split = {"type": "Split", "pattern": {"Regex": _PATTERN}, "behavior": "Isolated", "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    id_to_name = {number: name for name, number in NAME_TO_ID.items()}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": number, "content": id_to_name.get(number, f"<|reserved_{number}|>"), **flags}
            for number in range(_FIRST_SPECIAL, VOCAB_SIZE)
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {spell(token): rank for token, rank in ranks.items()},
            "merges": merges,
        },
    }


def _write(path: Path, document: object) -> None:
    """In one move, since several processes may do it at once."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False)
    Path(file.name).replace(path)
