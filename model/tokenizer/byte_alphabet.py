"""The 256 characters in which a byte-level tokenizer.json writes tokens, one for each byte (GPT-2's choice).

Printable Latin-1 characters stand for themselves; the other bytes, in order, for the characters from U+0100
on. Not here: files (`vocabulary_file` reads them, `byte_tokenizer` writes them).
"""

_PRINTABLE = (*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1))
_OTHERS = tuple(byte for byte in range(256) if byte not in _PRINTABLE)

BYTE_TO_CHARACTER = {byte: chr(byte) for byte in _PRINTABLE} | {
    byte: chr(0x100 + index) for index, byte in enumerate(_OTHERS)
}
"""In the order in which vocabularies number the single bytes."""

_CODE_TO_BYTE = {ord(character): chr(byte) for byte, character in BYTE_TO_CHARACTER.items()}
_ALPHABET = frozenset(BYTE_TO_CHARACTER.values())


def spell(token: bytes) -> str:
    """The token as tokenizer.json writes it."""
    return "".join(BYTE_TO_CHARACTER[byte] for byte in token)


def unspell(spelling: str) -> bytes:
    """The bytes that the spelling stands for; ValueError when it is not in the alphabet."""
    if not _ALPHABET.issuperset(spelling):
        stranger = next(character for character in spelling if character not in _ALPHABET)
        raise ValueError(f"{stranger!r} stands for no byte")
    return spelling.translate(_CODE_TO_BYTE).encode("latin-1")
