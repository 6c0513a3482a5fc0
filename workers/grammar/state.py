"""Where one sequence stands in its grammar.

Not here: masks (`masks` computes them from states) and stopping: a state knows what may follow, the engine
decides. One sequence has one state; after preemption or failover it begins again with the tokens written.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from llguidance import LLMatcher

from protos.errors import InvalidGrammarError
from workers.grammar.refusals import shorten


class GrammarState:
    """Not for several threads; while `MaskFiller` works on it, nobody else may touch it."""

    def __init__(self, matcher: LLMatcher, vocab_size: int, stop_ids: frozenset[int]) -> None:
        self.vocab_size = vocab_size
        self.stop_ids = stop_ids
        self._matcher = matcher
        self._has_ended = False

    @property
    def matcher(self) -> LLMatcher:
        """For `masks` alone."""
        return self._matcher

    @property
    def has_ended(self) -> bool:
        """Whether a stop token has been accepted: nothing follows."""
        return self._has_ended

    @property
    def is_complete(self) -> bool:
        """Whether nothing may follow but a stop token (nothing at all once one has been accepted)."""
        return self._has_ended or (self._matcher.is_stopped() and not self._matcher.is_error())

    def accept(self, token_id: int) -> bool:
        """Goes on by this token; False, and no change, when the grammar does not allow it here."""
        if self._has_ended:
            return False
        accepted = self._matcher.try_consume_tokens([token_id]) == 1
        self._raise_failure()
        if token_id in self.stop_ids:
            self._has_ended = accepted = accepted or self._matcher.is_accepting()
        return accepted

    def valid_prefix(self, token_ids: Sequence[int]) -> int:
        """How many of these, from the first, `accept` would take one after the other. Changes nothing."""
        if self._has_ended:
            return 0
        num_text = first_stop(token_ids, self.stop_ids)
        num_valid = self._matcher.validate_tokens(list(token_ids[:num_text]))
        if num_valid == num_text < len(token_ids):
            return num_text + self._stop_is_valid(token_ids[: num_text + 1])
        return num_valid

    def copy(self) -> "GrammarState":
        """One that goes its own way from here on."""
        copied = GrammarState(self._matcher.deep_copy(), self.vocab_size, self.stop_ids)
        copied._has_ended = self._has_ended
        return copied

    def failure(self) -> InvalidGrammarError | None:
        """Set once the grammar has outgrown a limit while it was followed; the state is of no use then."""
        if not self._matcher.is_error():
            return None
        reason = shorten(self._matcher.get_error())
        return InvalidGrammarError(
            f"the grammar became too complex while it was followed: {reason}; write it in a simpler way"
        )

    def _stop_is_valid(self, token_ids: Sequence[int]) -> bool:
        ahead = self.copy()
        return all(map(ahead.accept, token_ids))

    def _raise_failure(self) -> None:
        if failure := self.failure():
            raise failure


def first_stop(token_ids: Sequence[int], stop_ids: frozenset[int]) -> int:
    """Where the first stop token stands; the length when there is none."""
    return next((index for index, token_id in enumerate(token_ids) if token_id in stop_ids), len(token_ids))


@dataclass(frozen=True, slots=True)
class CompiledGrammar:
    """`matcher` stands at the beginning and is never advanced, only copied.

    Its copies share what they learn of the grammar, which makes masks faster, and the limit to that.
    """

    matcher: LLMatcher
    vocab_size: int
    stop_ids: frozenset[int]

    def is_exhausted(self) -> bool:
        """Whether earlier sequences have used up a limit, so that it has to be compiled again."""
        probe = self.matcher.deep_copy()
        probe.compute_bitmask()
        return probe.is_error()

    def begin(self, tokens_already_written: Sequence[int] = ()) -> GrammarState:
        state = GrammarState(self.matcher.deep_copy(), self.vocab_size, self.stop_ids)
        for index, token_id in enumerate(tokens_already_written):
            if not state.accept(token_id):
                raise InvalidGrammarError(
                    f"token {index} of those already written is {token_id}, which the grammar does not allow "
                    f"there; a sequence can only go on under the grammar that it began with"
                )
        return state
