"""Writes a small tokenizer of our own into a model folder, so that a model of random weights speaks text.

256 bytes, merges if wanted, and harmony's special tokens by name. Not gpt-oss's vocabulary, which comes with
its checkpoint. Examples, tests and benchmarks call it.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from model.tokenizer.byte_alphabet import BYTE_TO_CHARACTER, spell
from model.tokenizer.stop_ids import GENERATION_CONFIG_NAME
from model.tokenizer.vocabulary_file import TOKENIZER_NAME
from protos.errors import ConfigError

STOP_NAMES = ("<|return|>", "<|endoftext|>", "<|call|>")
SPECIAL_NAMES = (
    "<|startoftext|>", "<|endoftext|>", "<|return|>", "<|constrain|>", "<|channel|>", "<|start|>", "<|end|>",
    "<|message|>", "<|call|>",
)  # fmt: skip
"""In gpt-oss's order."""

Merge = tuple[bytes, bytes]


def write_byte_tokenizer(
    folder: Path, vocab_size: int, merges: Sequence[Merge] = (), pattern: str | None = None
) -> None:
    """Ids: the bytes, then the merges in their order, then the special tokens; the rest has no entry.

    `pattern` cuts texts into pieces, inside which alone bytes are merged; None: GPT-2's.
    """
    spellings = [*BYTE_TO_CHARACTER.values(), *(spell(left + right) for left, right in merges)]
    num_tokens = len(spellings) + len(SPECIAL_NAMES)
    if num_tokens > vocab_size:
        raise ConfigError(
            f"256 bytes, {len(merges)} merges and {len(SPECIAL_NAMES)} special tokens make {num_tokens} "
            f"tokens; the model has {vocab_size}, so give it a larger vocab_size or fewer merges"
        )
    special_ids = {name: len(spellings) + index for index, name in enumerate(SPECIAL_NAMES)}
    vocab = {spelling: token_id for token_id, spelling in enumerate(spellings)}
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / TOKENIZER_NAME, _document(vocab, merges, special_ids, pattern))
    _write(folder / GENERATION_CONFIG_NAME, {"eos_token_id": [special_ids[name] for name in STOP_NAMES]})


def _document(
    vocab: dict[str, int], merges: Sequence[Merge], special_ids: dict[str, int], pattern: str | None
) -> object:
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_special_token(name, token_id) for name, token_id in special_ids.items()],
        "normalizer": None,
        "pre_tokenizer": byte_level if pattern is None else _cut_by(pattern, byte_level),
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": [[spell(left), spell(right)] for left, right in merges],
        },
    }


def _cut_by(pattern: str, byte_level: dict[str, object]) -> object:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, byte_level | {"use_regex": False}]}


def _special_token(name: str, token_id: int) -> object:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": token_id, "content": name, **flags}


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
