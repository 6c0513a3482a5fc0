"""Whether a request can ever be served, decided before anything starts: refused in words, or admitted.

Runs on the thread that submits, so that compiling a grammar holds up nobody's tokens. Not here: when it is
served (the scheduler), and whose turn it is (the gateway's fair queue).
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from model.config import ModelConfig
from model.tokenizer.harmony_marks import HarmonyMarks
from model.tokenizer.tokenizer import Tokenizer
from protos.errors import InvalidRequestError
from workers.cache.cached_pages import CacheLayout
from workers.cache.page_digests import PageDigests
from workers.engine.reasoning import ReasoningMeter
from workers.engine.request import GenerationRequest
from workers.grammar.compiler import GrammarCompiler
from workers.grammar.state import CompiledGrammar


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """A request with everything settled that it left open."""

    request: GenerationRequest
    max_tokens: int
    stop_ids: frozenset[int]
    grammar: CompiledGrammar | None
    digests: PageDigests  # of the prompt's pages


def context_limit(max_positions: int, num_pages: int, layout: CacheLayout, tokens_per_step: int) -> int:
    """The longest sequence, prompt and output: as the model has positions and the whole cache has pages."""

    def fits(num_positions: int) -> bool:
        sliding = layout.most_sliding_pages(num_positions, tokens_per_step)
        return layout.num_pages(num_positions) + sliding <= num_pages

    fitting, beyond = 0, max_positions + 1
    while beyond - fitting > 1:
        middle = (fitting + beyond) // 2
        fitting, beyond = (middle, beyond) if fits(middle) else (fitting, middle)
    return fitting


class Admission:
    """Knows the model and the limits, and nothing of what runs."""

    def __init__(
        self, config: ModelConfig, tokenizer: Tokenizer | None, layout: CacheLayout, limit: int
    ) -> None:
        self.context_limit = limit
        self.tokenizer = tokenizer
        self._config = config
        self._layout = layout
        self._marks = None if tokenizer is None else HarmonyMarks.of(tokenizer)
        self._compiler = None if tokenizer is None else GrammarCompiler(tokenizer)

    def admit(self, request: GenerationRequest) -> AdmittedRequest:
        self._check_tokens(request)
        self._check_features(request)
        max_tokens = self._max_tokens(request)
        stop_ids = request.stop.token_ids
        if request.stop.model_stops and self.tokenizer is not None:
            stop_ids = stop_ids | self.tokenizer.stop_ids
        grammar = None
        if request.grammar is not None and self._compiler is not None:
            grammar = self._compiler.compile(request.grammar)
        seeded = replace(request, sampling=request.sampling.with_seed(secrets.randbits(63)))
        return AdmittedRequest(seeded, max_tokens, stop_ids, grammar, self._digests(request))

    def close(self) -> None:
        if self._compiler is not None:
            self._compiler.close()

    def meter(self, request: GenerationRequest) -> ReasoningMeter | None:
        """For each choice one of its own; None where the vocabulary has no channels."""
        if self._marks is None or self.tokenizer is None:
            return None
        return ReasoningMeter(
            self._marks, self.tokenizer.token_bytes, request.reasoning_budget, request.prompt
        )

    @property
    def token_bytes(self) -> Callable[[int], bytes]:
        return _no_bytes if self.tokenizer is None else self.tokenizer.token_bytes

    def _digests(self, request: GenerationRequest) -> PageDigests:
        digests = PageDigests(request.cache_salt, self._layout.page_size)
        digests.first(len(request.prompt) // self._layout.page_size, request.prompt)
        return digests

    def _check_tokens(self, request: GenerationRequest) -> None:
        vocab_size = self._config.vocab_size
        request.sampling.check_vocabulary(vocab_size)
        for name, token_ids in (("prompt", request.prompt), ("stop", tuple(request.stop.token_ids))):
            if token_ids and not 0 <= min(token_ids) <= max(token_ids) < vocab_size:
                wrong = next(token_id for token_id in token_ids if not 0 <= token_id < vocab_size)
                raise InvalidRequestError(
                    f"a {name} token is {wrong}; the vocabulary has the tokens 0 to {vocab_size - 1}"
                )

    def _check_features(self, request: GenerationRequest) -> None:
        if request.reasoning_budget is not None and self._marks is None:
            raise InvalidRequestError(
                "reasoning_budget needs a vocabulary with harmony's channels, and this model has none"
            )
        if self.tokenizer is None and (request.stop.strings or request.grammar is not None):
            raise InvalidRequestError(
                "stop strings and grammars need the text of tokens, and the model has no tokenizer.json"
            )

    def _max_tokens(self, request: GenerationRequest) -> int:
        num_prompt = len(request.prompt)
        room = self.context_limit - num_prompt
        wanted = request.max_tokens
        if wanted is None and room > 0:
            return room
        if wanted is None or wanted > room:
            asked = "" if wanted is None else f" and max_tokens {wanted}"
            raise InvalidRequestError(
                f"the prompt has {num_prompt} tokens{asked}, and a sequence can have {self.context_limit} in "
                f"all ({self._why_limit()}); shorten the prompt or ask for fewer tokens"
            )
        return wanted

    def _why_limit(self) -> str:
        positions = self._config.max_positions
        if self.context_limit == positions:
            return "the positions of the model"
        return f"the memory for keys and values; the model itself has {positions} positions"


def _no_bytes(token_id: int) -> bytes:  # noqa: ARG001 - stands in for Tokenizer.token_bytes
    return b""
