"""The border to llguidance: a vocabulary as it wants it, and matchers that start within limits.

Not here: what a grammar means (`grammar_text`). The vocabulary gets one token more than the model has: the
end of the grammar. So the model's stop tokens are ordinary special tokens that a Lark grammar may name
(`<|call|>`), and beside that all of them are allowed where the grammar may end.
"""

from collections.abc import Callable, Sequence

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

_END_OF_GRAMMAR = b"end of grammar"
_MAX_LEXER_STATES = 100_000
"""A state takes 1 to 2 kB, so a grammar stays below 200 MB."""


class _TokenTable:
    """What `TokenizerWrapper` reads."""

    def __init__(
        self, tokens: Sequence[bytes], special_ids: Sequence[int], encode: Callable[[str], list[int]]
    ) -> None:
        self.tokens = [*tokens, _END_OF_GRAMMAR]
        self.eos_token_id = len(tokens)
        self.bos_token_id = None
        self.special_token_ids = [*special_ids, self.eos_token_id]
        self._encode = encode

    def __call__(self, text: str) -> list[int]:
        return self._encode(text)


def build_vocabulary(
    tokens: Sequence[bytes], special_ids: Sequence[int], encode: Callable[[str], list[int]]
) -> LLTokenizer:
    """`tokens` are the bytes of each id, a special token's name, or b"" where an id has no entry."""
    table = TokenizerWrapper(_TokenTable(tokens, special_ids, encode))
    return LLTokenizer(table, n_vocab=len(tokens) + 1, eos_token=[len(tokens)])


def start_matcher(vocabulary: LLTokenizer, grammar: str) -> LLMatcher:
    """One that has computed its first mask, so that what shows only then shows now: see `get_error`."""
    limits = LLParserLimits(verbose_errors=False, max_lexer_states=_MAX_LEXER_STATES)
    matcher = LLMatcher(vocabulary, grammar, log_level=0, limits=limits)
    if not matcher.is_error():
        matcher.compute_bitmask()
    return matcher
