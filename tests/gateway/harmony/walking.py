"""Walks through grammars at random, as a model without a will of its own would under the mask."""

import random
from collections.abc import Sequence

import numpy as np

from gateway.harmony.vocabulary import HarmonyVocabulary
from workers.grammar.state import GrammarState

MAX_TOKENS = 3000
_CLOSING = ('"', "}", "]", ":", ",", "0", "e", "1")
"""Of JSON, what leads to its end soonest."""


def allowed(state: GrammarState) -> np.ndarray:
    """Of each token whether the mask lets the sampler draw it."""
    mask = np.frombuffer(state.matcher.compute_bitmask(), dtype=np.uint8)
    bits = np.unpackbits(mask, bitorder="little")
    assert not bits[state.vocab_size], "a stop token must be named by the grammar"
    return bits[: state.vocab_size]


def walk(state: GrammarState, vocabulary: HarmonyVocabulary, seed: int, num_free: int) -> list[int]:
    """Tokens until the end: at random at first, with a liking for marks, then on a short way out."""
    draw = random.Random(seed)
    marks = list(vocabulary.tokenizer.special_ids.values())
    closing = [token_id for text in _CLOSING for token_id in vocabulary.tokenizer.encode(text)]
    written: list[int] = []
    while not state.has_ended:
        assert len(written) < MAX_TOKENS
        liking = 0.2 if len(written) < num_free else 0.8
        token_id = _draw(allowed(state), marks, closing, draw, liking)
        assert state.accept(token_id)
        written.append(token_id)
    return written


def _draw(
    is_allowed: np.ndarray, marks: Sequence[int], closing: Sequence[int], draw: random.Random, liking: float
) -> int:
    if draw.random() < liking and (found := [token_id for token_id in marks if is_allowed[token_id]]):
        return draw.choice(found)
    if draw.random() < liking and (found := [token_id for token_id in closing if is_allowed[token_id]]):
        return found[0]
    return int(draw.choice(np.flatnonzero(is_allowed)))
