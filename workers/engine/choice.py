"""One choice of a request: what its tokens mean, when it ends, and what the client sees of it.

Not here: which steps it gets (the scheduler, through `sequence`).
"""

from collections.abc import Callable

from model.sampling.sampled_tokens import PositionLogprobs
from protos.errors import InvalidGrammarError
from workers.engine.drafting import Drafter
from workers.engine.events import ChoiceDelta, FinishReason
from workers.engine.output_text import OutputText, Released
from workers.engine.reasoning import ReasoningMeter
from workers.engine.request import GenerationRequest
from workers.engine.sequence import Sequence as TokenSequence
from workers.engine.step_work import FREE, TokenRules
from workers.grammar.state import GrammarState


class Choice:
    """Alive until `finish` is set; then it takes no more tokens."""

    def __init__(
        self,
        request: GenerationRequest,
        index: int,
        sequence: TokenSequence,
        *,
        max_tokens: int,
        stop_ids: frozenset[int],
        token_bytes: Callable[[int], bytes],
        grammar: GrammarState | None,
        meter: ReasoningMeter | None,
    ) -> None:
        self.request = request
        self.index = index
        self.sequence = sequence
        self.finish: FinishReason | None = None
        self.num_output = 0
        self._max_tokens = max_tokens
        self._stop_ids = stop_ids
        self._token_bytes = token_bytes
        self._grammar = grammar
        self._meter = meter
        self._text = OutputText(request.stop.strings)
        self._stopped_by: str | int | None = None
        self._token_ids: list[int] = []  # what the client has not seen
        self._logprobs: list[PositionLogprobs] = []
        self._num_shown = 0  # of `_token_ids`
        self._new_text = ""
        if max_tokens == 0:
            self.finish = FinishReason.LENGTH

    @property
    def num_reasoning(self) -> int:
        return 0 if self._meter is None else self._meter.num_tokens

    @property
    def rules(self) -> TokenRules:
        """What the next token must be."""
        forced = None if self._meter is None else self._meter.forced
        banned = self._stop_ids if self.num_output < self.request.min_tokens else frozenset()
        if forced is None and not banned and self._grammar is None:
            return FREE
        return TokenRules(forced, banned, self._grammar)

    def guess(self, drafter: Drafter) -> tuple[int, ...]:
        """Drafts, as many as the rules of the next token hold for."""
        room = self._max_tokens - self.num_output - 1
        if self._meter is not None and self._meter.num_free is not None:
            room = min(room, self._meter.num_free - 1)  # the row behind the last draft is free too
        if self.num_output < self.request.min_tokens:
            room = min(room, self.request.min_tokens - self.num_output - 1)
        if room <= 0:
            return ()
        drafts = tuple(drafter.guess(self.sequence.tokens)[:room])
        if self._grammar is None or not drafts:
            return drafts
        try:
            return drafts[: self._grammar.valid_prefix(drafts)]
        except InvalidGrammarError:
            return ()  # the mask of the next token will say so too

    def accept(self, token_id: int, logprobs: PositionLogprobs | None) -> None:
        """The next token was sampled."""
        assert self.finish is None, "a choice that has ended takes no tokens"
        self.sequence.tokens.append(token_id)
        self.num_output += 1
        self._token_ids.append(token_id)
        if logprobs is not None:
            self._logprobs.append(logprobs)
        if token_id in self._stop_ids:
            self._end(FinishReason.STOP, token_id)
            return
        in_answer = self._meter is None or self._meter.is_in_answer
        looks = in_answer and self.num_output > self.request.min_tokens
        released = self._text.push(self._token_bytes(token_id), looks_for_stops=looks)
        self._show(released)
        if self._meter is not None:
            self._meter.push(token_id)
        if released.stopped_by is not None:
            self.finish, self._stopped_by = FinishReason.STOP, released.stopped_by
        elif self._grammar is not None and self._grammar_has_ended(token_id):
            self._end(FinishReason.STOP)
        elif self.num_output == self._max_tokens:
            self._end(FinishReason.LENGTH)

    def take_delta(self) -> ChoiceDelta | None:
        """What the client has not seen yet, if there is anything."""
        if not self._num_shown and not self._new_text and self.finish is None:
            return None
        count = self._num_shown
        delta = ChoiceDelta(
            self.request.request_id,
            self.index,
            tuple(self._token_ids[:count]),
            self._new_text,
            tuple(self._logprobs[:count]),
            self.finish,
            self._stopped_by,
        )
        del self._token_ids[:count], self._logprobs[:count]
        self._num_shown, self._new_text = 0, ""
        return delta

    def _grammar_has_ended(self, token_id: int) -> bool:
        assert self._grammar is not None
        if not self._grammar.accept(token_id):  # sequences of one grammar share what it may take
            raise InvalidGrammarError(
                "the grammar became too complex while it was followed: other requests have used up what it "
                "may take; send the request again, or write the grammar in a simpler way"
            )
        return self._grammar.is_complete

    def _end(self, reason: FinishReason, stop_id: int | None = None) -> None:
        """Nothing follows, so nothing need be held back."""
        self.finish, self._stopped_by = reason, stop_id
        self._show(self._text.finish())
        self._num_shown = len(self._token_ids)

    def _show(self, released: Released) -> None:
        self._num_shown += released.num_tokens
        self._new_text += released.text
