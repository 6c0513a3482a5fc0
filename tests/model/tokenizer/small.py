"""A vocabulary of our own with merges, ids without an entry, and no size equal to another."""

from pathlib import Path

from model.tokenizer import Tokenizer
from model.tokenizer.byte_tokenizer import SPECIAL_NAMES, write_byte_tokenizer

MERGES = (
    (b"t", b"h"), (b"th", b"e"), (b"i", b"n"), (b"a", b"n"), (b"e", b"r"), (b"n", b"t"), (b"1", b"2"),
    (b"\xf0", b"\x9f"), (b"\xcc", b"\x81"), (b"{", b'"'), (b'"', b":"), (b" ", b" "), (b"  ", b"  "),
)  # fmt: skip
NUM_TEXT_TOKENS = 256 + len(MERGES)
VOCAB_SIZE = 299


def write_small(folder: Path) -> None:
    write_byte_tokenizer(folder, VOCAB_SIZE, MERGES)


def open_small(folder: Path) -> Tokenizer:
    write_small(folder)
    return Tokenizer.open(folder, VOCAB_SIZE)


assert NUM_TEXT_TOKENS + len(SPECIAL_NAMES) < VOCAB_SIZE
