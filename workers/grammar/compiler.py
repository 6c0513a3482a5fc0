"""Compiles a request's grammar for one tokenizer, or says what is wrong with it, and where.

Not here: masks, and where a sequence stands in its grammar (`GrammarState`). Compiling takes about a
millisecond and never more than a few seconds, so call it beside the step loop, not in it.
"""

import threading
from collections import OrderedDict

from llguidance import LLTokenizer

from model.tokenizer import Tokenizer
from protos.errors import InvalidGrammarError
from workers.grammar.grammar_text import grammar_text, parse_schema, schema_grammar
from workers.grammar.matching import build_vocabulary, start_matcher
from workers.grammar.refusals import describe, shorten
from workers.grammar.schema_places import refused_place
from workers.grammar.spec import GrammarKind, GrammarSpec
from workers.grammar.state import CompiledGrammar
from workers.grammar.trial import BROKE_THE_COMPILER, TOOK_TOO_LONG, GrammarTrial

_CACHE_SIZE = 32
_OF_NO_PLACE = (TOOK_TOO_LONG, BROKE_THE_COMPILER, "recursion limit")
_SEARCH_S = 1.0
"""How long the place of an error in a schema is looked for."""


class GrammarCompiler:
    """Remembers the grammars that were used last. Any thread may call it; `close` ends its child process."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = _vocabulary(tokenizer)
        self._trial = GrammarTrial(list(tokenizer.special_ids))
        self._lock = threading.Lock()
        self._compiled: OrderedDict[GrammarSpec, CompiledGrammar] = OrderedDict()

    def compile(self, spec: GrammarSpec) -> CompiledGrammar:
        with self._lock:
            remembered = self._compiled.get(spec)
        compiled = self._compile(spec) if remembered is None or remembered.is_exhausted() else remembered
        with self._lock:
            self._compiled[spec] = compiled
            self._compiled.move_to_end(spec)
            while len(self._compiled) > _CACHE_SIZE:
                self._compiled.popitem(last=False)
        return compiled

    def close(self) -> None:
        self._trial.close()

    def _compile(self, spec: GrammarSpec) -> CompiledGrammar:
        text = grammar_text(spec)
        if message := self._trial.refusal(text):
            raise InvalidGrammarError(self._describe(spec, message))
        matcher = start_matcher(self._vocabulary, text)
        if matcher.is_error():  # a limit that only the whole vocabulary reaches
            raise InvalidGrammarError(self._describe(spec, matcher.get_error()))
        return CompiledGrammar(matcher, self._tokenizer.vocab_size, self._tokenizer.stop_ids)

    def _describe(self, spec: GrammarSpec, message: str) -> str:
        if spec.kind is not GrammarKind.JSON_SCHEMA:
            return describe(spec, message, self._tokenizer.special_ids)
        place = "/"
        if not message.startswith(_OF_NO_PLACE):
            place = refused_place(
                parse_schema(spec), message, lambda part: self._trial.refusal(schema_grammar(part)), _SEARCH_S
            )
        return f"json_schema at {place}: {shorten(message)}"


def _vocabulary(tokenizer: Tokenizer) -> LLTokenizer:
    tokens = [tokenizer.token_bytes(token_id) for token_id in range(tokenizer.vocab_size)]
    for name, token_id in tokenizer.special_ids.items():
        tokens[token_id] = name.encode()
    return build_vocabulary(tokens, list(tokenizer.special_ids.values()), tokenizer.encode)
