"""A small harmony vocabulary: bytes, and the control tokens by name."""

import tempfile
from functools import cache
from pathlib import Path

from gateway.harmony.vocabulary import HarmonyVocabulary
from model.tokenizer.byte_tokenizer import write_byte_tokenizer
from model.tokenizer.tokenizer import Tokenizer

VOCAB_SIZE = 300


@cache
def byte_tokenizer() -> Tokenizer:
    with tempfile.TemporaryDirectory() as folder:
        write_byte_tokenizer(Path(folder), VOCAB_SIZE)
        return Tokenizer.open(Path(folder), VOCAB_SIZE)


@cache
def byte_vocabulary() -> HarmonyVocabulary:
    return HarmonyVocabulary.of(byte_tokenizer())
