"""The tokenizer of one model folder: text to token ids, token ids to bytes.

Merging is done by llguidance, which holds the Rust tokenizers. Not here: chat templates (harmony is the
gateway's), grammars (`workers.grammar` builds its own view from this one), streaming (`TextStream`). The
gateway encodes prompts with it and every engine looks up its tokens' bytes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType

from llguidance import LLTokenizer

from model.tokenizer.stop_ids import GENERATION_CONFIG_NAME, read_stop_ids
from model.tokenizer.vocabulary_file import TOKENIZER_NAME, Vocabulary, read_vocabulary
from protos.errors import InvalidRequestError, TokenizerError


@dataclass(frozen=True, slots=True, eq=False)
class Tokenizer:
    """Immutable, so that any number of threads may use one."""

    vocab_size: int
    stop_ids: frozenset[int]
    special_ids: Mapping[str, int]
    _special: frozenset[int]
    _token_bytes: list[bytes]
    _text_tokenizer: LLTokenizer
    _special_pattern: re.Pattern[str] | None

    @classmethod
    def open(cls, folder: Path, vocab_size: int) -> "Tokenizer":
        """Reads tokenizer.json and generation_config.json; `vocab_size` is that of config.json."""
        vocabulary = read_vocabulary(folder, vocab_size)
        stop_ids = read_stop_ids(folder, vocab_size)
        special = frozenset(vocabulary.special_ids.values())
        for token_id in sorted(stop_ids):
            if not vocabulary.token_bytes[token_id] and token_id not in special:
                raise TokenizerError(
                    f"{folder / GENERATION_CONFIG_NAME}: the stop token {token_id} has no entry in "
                    f"{TOKENIZER_NAME}; take both files from the same model"
                )
        return cls(
            vocab_size=vocab_size,
            stop_ids=stop_ids,
            special_ids=MappingProxyType(vocabulary.special_ids),
            _special=special,
            _token_bytes=vocabulary.token_bytes,
            _text_tokenizer=_text_tokenizer(vocabulary, folder / TOKENIZER_NAME),
            _special_pattern=_any_of(vocabulary.special_ids),
        )

    def encode(self, text: str) -> list[int]:
        """Never a special token: text that spells one is text."""
        _refuse_surrogates(text)
        return self._text_tokenizer.tokenize_str(text)

    def encode_with_specials(self, text: str) -> list[int]:
        """Names of special tokens become these tokens. Only for text that we wrote ourselves."""
        if self._special_pattern is None:
            return self.encode(text)
        token_ids: list[int] = []
        for index, piece in enumerate(self._special_pattern.split(text)):
            token_ids += [self.special_ids[piece]] if index % 2 else self.encode(piece)
        return token_ids

    def token_bytes(self, token_id: int) -> bytes:
        """b"" for a special token and for an id without an entry. The id must be below `vocab_size`."""
        return self._token_bytes[token_id]

    def longest_token(self) -> int:
        """In bytes; looks at every token."""
        return max(map(len, self._token_bytes))

    def fingerprint(self) -> str:
        """Equal where every token id means the same: 16 hexadecimal digits. Looks at every token."""
        digest = blake2b(digest_size=8)
        for content in self._token_bytes:
            digest.update(len(content).to_bytes(4, "little") + content)
        for name, token_id in sorted(self.special_ids.items()):
            digest.update(f"{token_id} {name}\n".encode())
        return digest.hexdigest()

    def is_special(self, token_id: int) -> bool:
        return token_id in self._special

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of these tokens without the special ones; bytes that are not UTF-8 become U+FFFD."""
        return b"".join(map(self._token_bytes.__getitem__, token_ids)).decode("utf-8", errors="replace")


def _text_tokenizer(vocabulary: Vocabulary, path: Path) -> LLTokenizer:
    try:
        return LLTokenizer(vocabulary.text_document, n_vocab=len(vocabulary.token_bytes), slices=[])
    except ValueError as error:
        raise TokenizerError(f"{path} is not a usable tokenizer: {error}; pull or copy it again") from error


def _any_of(names: Mapping[str, int]) -> re.Pattern[str] | None:
    """A pattern with one group that finds any of the names, the longest where two begin alike."""
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})") if names else None


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            f"the text holds half a surrogate pair, U+{ord(text[error.start]):04X}, at character "
            f"{error.start}; send well-formed Unicode"
        ) from error
