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
from workers.engine.choice import Choice
from workers.engine.reasoning import ReasoningMeter
from workers.engine.request import GenerationRequest
from workers.grammar.compiler import GrammarCompiler
from workers.grammar.state import CompiledGrammar


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """A request with everything settled that it left open."""

    request: GenerationRequest
    digests: PageDigests  # of the prompt's pages
    choices: tuple[Choice, ...]  # before anything is sampled here; for one engine, once


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
        self._check_written(request, max_tokens)
        seeded = replace(request, sampling=request.sampling.with_seed(secrets.randbits(63)))
        return AdmittedRequest(seeded, self._digests(request), self._choices(seeded, max_tokens))

    def close(self) -> None:
        if self._compiler is not None:
            self._compiler.close()

    def _choices(self, request: GenerationRequest, max_tokens: int) -> tuple[Choice, ...]:
        """They go through what is written already here, where it holds up nobody else."""
        stop_ids = request.stop.token_ids
        if request.stop.model_stops and self.tokenizer is not None:
            stop_ids = stop_ids | self.tokenizer.stop_ids
        grammar, meter = self._grammar(request), self._meter(request)
        choices = []
        for index in range(request.num_choices):
            written = request.written_of(index)
            goes_on = written.finish is None
            choices.append(
                Choice(
                    request,
                    index,
                    max_tokens=max_tokens,
                    stop_ids=stop_ids,
                    token_bytes=self.token_bytes,
                    grammar=grammar.begin(written.token_ids) if grammar is not None and goes_on else None,
                    meter=None if meter is None else meter.copy(),
                    written=written,
                )
            )
            self._check_text(choices[-1])
        return tuple(choices)

    def _grammar(self, request: GenerationRequest) -> CompiledGrammar | None:
        if request.grammar is None or self._compiler is None:
            return None
        return self._compiler.compile(request.grammar)

    def _meter(self, request: GenerationRequest) -> ReasoningMeter | None:
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
        written = () if request.written is None else request.written.choices
        named = [("prompt", request.prompt), ("stop", tuple(request.stop.token_ids))]
        for name, token_ids in [*named, *(("written", choice.token_ids) for choice in written)]:
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

    def _check_written(self, request: GenerationRequest, max_tokens: int) -> None:
        for index in range(request.num_choices):
            num_written = request.written_of(index).num_output
            if num_written > max_tokens:
                raise InvalidRequestError(
                    f"choice {index} has {num_written} tokens written already, and a choice can have "
                    f"{max_tokens}; a request can only go on with the limits that it began with"
                )

    def _check_text(self, choice: Choice) -> None:
        """The client may have more text than this choice may show: what may yet become a stop string is held
        back here, and was let go elsewhere by the token behind it, of which a part may be shown too.
        """
        written, stops = choice.written, choice.request.stop.strings
        num_ahead = 0 if choice.has_been_told else choice.num_characters_ahead
        limit = 0
        if num_ahead and stops and self.tokenizer is not None:
            limit = max(len(text.encode()) for text in stops) + self.tokenizer.longest_token()
        if num_ahead > limit:
            raise InvalidRequestError(
                f"choice {choice.index} has {written.num_characters} characters written already, {num_ahead} "
                f"more than its {len(written.token_ids)} tokens may show; at most {limit} can be ahead"
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
