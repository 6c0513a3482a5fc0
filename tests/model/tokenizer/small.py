"""A vocabulary of our own with merges, ids without an entry, and no size equal to another."""

from pathlib import Path

from model.tokenizer import Tokenizer
from model.tokenizer.byte_tokenizer import SPECIAL_NAMES, write_byte_tokenizer

WORDS = (b"t h", b"th e", b"i n", b"a n", b"e r", b"n t", b"1 2", b"\xf0 \x9f", b"\xcc \x81", b'{ "', b'" :')
MERGES = tuple((word.split()[0], word.split()[1]) for word in WORDS)
SPACES = ((b" ", b" "), (b"  ", b"  "))
NUM_TEXT_TOKENS = 256 + len(MERGES) + len(SPACES)
VOCAB_SIZE = 299


def write_small(folder: Path) -> None:
    write_byte_tokenizer(folder, VOCAB_SIZE, (*MERGES, *SPACES))


def open_small(folder: Path) -> Tokenizer:
    write_small(folder)
    return Tokenizer.open(folder, VOCAB_SIZE)


assert NUM_TEXT_TOKENS + len(SPECIAL_NAMES) < VOCAB_SIZE
