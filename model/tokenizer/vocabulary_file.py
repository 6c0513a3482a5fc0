"""Reads tokenizer.json: which bytes each token stands for, and which tokens are special.

Only byte-level BPE is understood; anything else is refused. Not here: merging (llguidance does that, from the
document that this hands on) and stop tokens (`stop_ids`). `Tokenizer` is the only caller.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from model.tokenizer.byte_alphabet import BYTE_TO_CHARACTER, unspell
from model.tokenizer.json_file import as_list, as_object, as_text, as_token_id, read_object, shorten
from protos.errors import TokenizerError

TOKENIZER_NAME = "tokenizer.json"

_POSITIONAL_FLAGS = ("single_word", "lstrip", "rstrip")


_ONLY = "ExpertMesh reads byte-level BPE only, as gpt-oss has it"
_MEND = "the file is damaged, so pull or copy it again"


@dataclass(frozen=True, slots=True)
class _TextToken:
    """An added token that is no control token, with its entry as the file has it."""

    token_id: int
    content: str
    entry: dict[str, object]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`text_document` is the tokenizer.json of text alone: no special tokens, no truncation, no padding."""

    token_bytes: list[bytes]  # one for each id; b"" for a special token and for an id without an entry
    special_ids: dict[str, int]
    text_document: str


def read_vocabulary(folder: Path, vocab_size: int) -> Vocabulary:
    path = folder / TOKENIZER_NAME
    document = read_object(path)
    model = as_object(document.get("model"), "model", path)
    _require_byte_level(document, model, path)
    entries = as_object(model.get("vocab"), "model.vocab", path)
    special_ids, text_tokens = _added_tokens(document.get("added_tokens", []), path, vocab_size)
    plain_ids = special_ids | {added.content: added.token_id for added in text_tokens}
    token_bytes = _token_bytes(entries, plain_ids, path, vocab_size)
    for added in text_tokens:
        token_bytes[added.token_id] = added.content.encode()
    text_entries = {spelling: value for spelling, value in entries.items() if spelling not in special_ids}
    text_entries |= {added.content: added.token_id for added in text_tokens}
    changes = {
        "model": model | {"vocab": _without_holes(text_entries)},
        "added_tokens": [added.entry for added in text_tokens],
        "truncation": None,
        "padding": None,
    }
    return Vocabulary(token_bytes, special_ids, json.dumps(document | changes))


def _without_holes(entries: dict[str, object]) -> dict[str, object]:
    """Names that no text can have for the ids in between: else added tokens would be numbered anew."""
    taken = {value for value in entries.values() if isinstance(value, int)}
    holes = (token_id for token_id in range(max(taken)) if token_id not in taken)
    return entries | {f" {token_id}": token_id for token_id in holes}


def _require_byte_level(document: dict[str, object], model: dict[str, object], path: Path) -> None:
    kind = model.get("type", "BPE")
    if kind != "BPE" or model.get("byte_fallback"):
        name = "BPE with byte_fallback" if kind == "BPE" else shorten(kind)
        raise TokenizerError(f"{path}: the tokenizer is {name}; {_ONLY}")
    for stage in ("pre_tokenizer", "decoder"):
        if not _mentions_byte_level(document.get(stage)):
            raise TokenizerError(f"{path}: {stage} has no ByteLevel step; {_ONLY}")


def _mentions_byte_level(stage: object) -> bool:
    """Whether a stage is a ByteLevel step, or a sequence with one."""
    if not isinstance(stage, dict):
        return False
    steps = stage.get("pretokenizers", stage.get("decoders", []))
    inner = steps if isinstance(steps, list) else []
    return any(isinstance(step, dict) and step.get("type") == "ByteLevel" for step in (stage, *inner))


def _token_bytes(
    entries: dict[str, object], plain_ids: dict[str, int], path: Path, vocab_size: int
) -> list[bytes]:
    """`plain_ids` are the added tokens: they are spelled as they are, here or in `added_tokens` alone."""
    token_bytes = [b""] * vocab_size
    taken = set(plain_ids.values())
    for spelling, value in entries.items():
        place = f"model.vocab[{shorten(spelling)}]"
        token_id = as_token_id(value, place, path, vocab_size)
        if plain_ids.get(spelling) == token_id:
            continue
        if token_id in taken:
            raise TokenizerError(f"{path}: {place} is {token_id}, which another token has too; {_MEND}")
        taken.add(token_id)
        try:
            token_bytes[token_id] = unspell(spelling)
        except ValueError as error:
            raise TokenizerError(f"{path}: {place}: {error}; {_ONLY}") from error
    missing = [byte for byte, character in BYTE_TO_CHARACTER.items() if character not in entries]
    if missing:
        raise TokenizerError(
            f"{path}: model.vocab has no token for the byte 0x{missing[0]:02x}, so some texts could not be "
            f"encoded; {_ONLY}"
        )
    return token_bytes


def _added_tokens(value: object, path: Path, vocab_size: int) -> tuple[dict[str, int], list[_TextToken]]:
    """-> the special ones by name, and those that are text."""
    special_ids: dict[str, int] = {}
    text_tokens: list[_TextToken] = []
    taken: set[object] = set()
    for index, each in enumerate(as_list(value, "added_tokens", path)):
        place = f"added_tokens[{index}]"
        entry = as_object(each, place, path)
        content = as_text(entry.get("content"), f"{place}.content", path)
        token_id = as_token_id(entry.get("id"), f"{place}.id", path, vocab_size)
        if {content, token_id} & taken:
            raise TokenizerError(f"{path}: {place} gives {content!r} or the id {token_id} again; {_MEND}")
        taken |= {content, token_id}
        if not entry.get("special"):
            text_tokens.append(_TextToken(token_id, content, entry))
            continue
        special_ids[content] = token_id
        for flag in _POSITIONAL_FLAGS:
            if entry.get(flag):
                raise TokenizerError(f"{path}: {place} has {flag}; special tokens are found by name alone")
    return special_ids, text_tokens
