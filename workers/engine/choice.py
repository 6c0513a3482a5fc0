"""One choice of a request: what its tokens mean, when it ends, and what the client sees of it.

It may begin with what another worker has written. Not here: its place in the steps (workers.engine.sequence).
"""

from collections.abc import Callable, Sequence

from model.sampling.sampled_tokens import PositionLogprobs
from protos.errors import InvalidGrammarError, InvalidRequestError
from workers.engine.drafting import Drafter
from workers.engine.events import ChoiceDelta, FinishReason
from workers.engine.output_text import OutputText
from workers.engine.reasoning import ReasoningMeter
from workers.engine.request import GenerationRequest
from workers.engine.step_work import FREE, TokenRules
from workers.engine.untold import Untold
from workers.engine.written import NOTHING_WRITTEN, WrittenChoice
from workers.grammar.state import GrammarState


class Choice:
    """Alive until `finish` is set; then it takes no more tokens."""

    def __init__(
        self,
        request: GenerationRequest,
        index: int,
        *,
        max_tokens: int,
        stop_ids: frozenset[int],
        token_bytes: Callable[[int], bytes],
        grammar: GrammarState | None,
        meter: ReasoningMeter | None,
        written: WrittenChoice = NOTHING_WRITTEN,
    ) -> None:
        """`grammar` stands behind what is written already, `meter` at the end of the prompt."""
        self.request = request
        self.index = index
        self.written = written
        self.finish = written.finish
        self.num_output = 0
        self._max_tokens = max_tokens
        self._stop_ids = stop_ids
        self._token_bytes = token_bytes
        self._grammar = grammar
        self._meter = meter
        self._text = OutputText(request.stop.strings)
        self._stopped_by: str | int | None = None
        self._untold = Untold(len(written.token_ids), written.num_characters)
        if self.has_been_told:
            self._count_written()
        else:
            self._follow_written()

    @property
    def has_been_told(self) -> bool:
        """Whether the client has its finish from another worker, so that nothing is left to do."""
        return self.written.finish is not None

    @property
    def num_characters_ahead(self) -> int:
        """What the client has of the text of tokens that are still to come."""
        return self._untold.num_characters_ahead

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

    def guess(self, drafter: Drafter, tokens: Sequence[int]) -> tuple[int, ...]:
        """What may follow these, prompt and output: as many as the rules of the next token hold for."""
        room = self._max_tokens - self.num_output - 1
        if self._meter is not None and self._meter.num_free is not None:
            room = min(room, self._meter.num_free - 1)  # the row behind the last draft is free too
        if self.num_output < self.request.min_tokens:
            room = min(room, self.request.min_tokens - self.num_output - 1)
        if room <= 0:
            return ()
        drafts = tuple(drafter.guess(tokens)[:room])
        if self._grammar is None or not drafts:
            return drafts
        try:
            return drafts[: self._grammar.valid_prefix(drafts)]
        except InvalidGrammarError:
            return ()  # the mask of the next token will say so too

    def accept(self, token_id: int, logprobs: PositionLogprobs | None) -> None:
        """The next token was sampled."""
        assert self.finish is None, "a choice that has ended takes no tokens"
        self._untold.add(token_id, logprobs)
        self._follow(token_id)
        if self.finish is None and self._grammar is not None:
            self._advance_grammar(self._grammar, token_id)
        self._end_if_nothing_follows()

    def take_delta(self) -> ChoiceDelta | None:
        """What the client has not been told yet, if there is anything."""
        if self.finish is None and not self._untold.has_news:
            return None
        news = self._untold.take()
        return ChoiceDelta(
            self.request.request_id,
            self.index,
            news.token_ids,
            news.text,
            news.logprobs,
            self.finish,
            self._stopped_by,
            0 if self.finish is None else self._untold.num_held,
        )

    def _count_written(self) -> None:
        self.num_output = self.written.num_output
        if self._meter is not None:
            for token_id in self.written.token_ids:
                self._meter.push(token_id)

    def _follow_written(self) -> None:
        for index, token_id in enumerate(self.written.token_ids):
            if self.finish is not None:
                raise InvalidRequestError(
                    f"choice {self.index} ends by its own rules with token {index - 1} of those already "
                    f"written, and {len(self.written.token_ids)} are given; a choice can only go on by the "
                    f"rules that it began with"
                )
            self._follow(token_id)
        self._end_if_nothing_follows()

    def _follow(self, token_id: int) -> None:
        """What any token means, wherever it was sampled."""
        self.num_output += 1
        if token_id in self._stop_ids:
            self._end(FinishReason.STOP, token_id)
            return
        in_answer = self._meter is None or self._meter.is_in_answer
        looks = in_answer and self.num_output > self.request.min_tokens
        released = self._text.push(self._token_bytes(token_id), looks_for_stops=looks)
        self._untold.release(released)
        if self._meter is not None:
            self._meter.push(token_id)
        if released.stopped_by is not None:
            self.finish, self._stopped_by = FinishReason.STOP, released.stopped_by

    def _end_if_nothing_follows(self) -> None:
        if self.finish is not None:
            return
        if self._grammar is not None and self._grammar.is_complete:
            self._end(FinishReason.STOP)
        elif self.num_output == self._max_tokens:
            self._end(FinishReason.LENGTH)

    def _advance_grammar(self, grammar: GrammarState, token_id: int) -> None:
        if not grammar.accept(token_id):  # sequences of one grammar share what it may take
            raise InvalidGrammarError(
                "the grammar became too complex while it was followed: other requests have used up what it "
                "may take; send the request again, or write the grammar in a simpler way"
            )

    def _end(self, reason: FinishReason, stop_id: int | None = None) -> None:
        """Nothing follows, so nothing need be held back."""
        self.finish, self._stopped_by = reason, stop_id
        self._untold.release(self._text.finish())
        self._untold.release_all()
