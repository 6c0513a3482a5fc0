"""Learns a byte-level vocabulary from texts: how they are cut into pieces, and which pairs of bytes are
merged.

Lines that stand in every prompt are pieces of their own, so that they become a token or two. Not here: the
file (`model.tokenizer.byte_tokenizer`).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from gateway.harmony.settings import SystemSettings
from gateway.harmony.system_message import system_text
from model.tokenizer.byte_tokenizer import Merge

Piece = tuple[bytes, ...]
Pair = tuple[bytes, bytes]

_LINES = (
    "# Tools\n\n## functions\n\nnamespace functions {\n\n",
    " = (_: {\n",
    ",\n}) => any;\n\n",
    "} // namespace functions",
    "# Instructions\n\n",
    "# Response Formats\n\n## ",
    "\n\n# Labels\n\nAnswer with exactly one of these labels, and nothing else:\n- ",
    '{"type":"object","properties":{"',
    '{"properties":{"',
    '":{"type":"',
    '":{"title":"',
    '","type":"',
    '"},"',
    '"}},"required":["',
    '"],"additionalProperties":false}',
)
_PIECES = (" ?[A-Za-z]+", "[0-9]", " ?[^ \\t\\r\\nA-Za-z0-9]+", "[ \\t\\r\\n]+")
"""Words, digits one by one, signs, blanks. Python and Rust read these patterns alike."""


def pattern() -> str:
    """Of the pieces inside which bytes are merged: the lines, then what all texts are made of."""
    lines = sorted({*_system_lines(), *_LINES}, key=lambda line: (-len(line), line))
    return "|".join((*map(_escaped, lines), *_PIECES))


def _system_lines() -> Iterator[str]:
    """The system message, cut where it differs from one request to the next."""
    for has_functions in (False, True):
        text = system_text(SystemSettings(current_date="DATE"), has_functions=has_functions)
        yield from re.split("DATE|medium", text)


def _escaped(line: str) -> str:
    return re.sub(r"([\\.^$|?*+()\[\]{}])", r"\\\1", line).replace("\n", "\\n")


def learn_merges(texts: Iterable[str], count: int) -> list[Merge]:
    """The most frequent pair again and again; of equally frequent ones the one that comes first in order."""
    cut = re.compile(pattern())
    pieces = Counter(piece for text in texts for piece in cut.findall(text))
    words = [[bytes([byte]) for byte in piece.encode()] for piece in pieces]
    counts = [*pieces.values()]
    pair_counts: Counter[Pair] = Counter()
    pair_words: defaultdict[Pair, set[int]] = defaultdict(set)
    for index, word in enumerate(words):
        _count(word, index, counts[index], pair_counts, pair_words)
    merges: list[Merge] = []
    while len(merges) < count and pair_counts:
        best = min(pair_counts, key=lambda pair: (-pair_counts[pair], pair))
        if pair_counts[best] < 2:
            break
        merges.append(best)
        for index in sorted(pair_words[best]):
            _count(words[index], index, -counts[index], pair_counts, pair_words)
            words[index] = _merged(words[index], best)
            _count(words[index], index, counts[index], pair_counts, pair_words)
    return merges


def _count(
    word: list[bytes],
    index: int,
    amount: int,
    pair_counts: Counter[Pair],
    pair_words: defaultdict[Pair, set[int]],
) -> None:
    for pair in pairwise(word):
        pair_counts[pair] += amount
        if amount > 0:
            pair_words[pair].add(index)
        else:
            pair_words[pair].discard(index)
            if not pair_counts[pair]:
                del pair_counts[pair]


def _merged(word: list[bytes], pair: Pair) -> list[bytes]:
    merged: list[bytes] = []
    for token in word:
        if merged and (merged[-1], token) == pair:
            merged[-1] += token
        else:
            merged.append(token)
    return merged
