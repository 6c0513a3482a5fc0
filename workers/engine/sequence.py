"""One sequence as the scheduler sees it: its tokens, how many are computed, its pages, its rank.

Not here: what the tokens mean to whoever asked for them (workers.engine.choice). No tensors, no clock.
"""

from collections.abc import Sequence as SequenceOf

from workers.cache.cached_pages import CachedPages

Rank = tuple[int, int]
"""Lower is served first and preempted last; no two sequences have the same."""


class Sequence:
    """Tokens 0 … num_computed − 1 have their keys and values in the pages; the rest is still to run.

    A sequence that waits has no pages. A follower waits until its leader, which has the same prompt, has
    computed it.
    """

    def __init__(
        self,
        prompt: SequenceOf[int],
        pages: CachedPages,
        rank: Rank,
        *,
        written: SequenceOf[int] = (),
        priority: int = 0,
        leader: "Sequence | None" = None,
        is_scored: bool = False,
    ) -> None:
        self.tokens = [*prompt, *written]
        self.num_prompt = len(prompt)
        self.num_computed = 0
        self.num_cached: int | None = None  # of the prompt, when it was first admitted
        self.pages = pages
        self.rank = rank
        self.drafts: tuple[int, ...] = ()
        self.priority = priority
        self.is_scored = (
            is_scored  # every token of the prompt wants logits, so none may be found in the cache
        )
        self.has_left = False
        self._leader = leader

    @property
    def key(self) -> int:
        """No other sequence of this engine has it."""
        return self.rank[1]

    @property
    def num_tokens(self) -> int:
        return len(self.tokens)

    @property
    def num_missing(self) -> int:
        """Tokens that have to run before the next one can be sampled."""
        return len(self.tokens) - self.num_computed

    @property
    def may_begin(self) -> bool:
        leader = self._leader
        return leader is None or leader.has_left or leader.num_computed >= leader.num_prompt

    def begin(self) -> None:
        """Take what the cache holds of these tokens."""
        self.num_computed = self.pages.begin(self.tokens) if not self.is_scored else 0

    def advance(self, num_tokens: int) -> None:
        """So many more tokens are computed."""
        self.num_computed += num_tokens
        assert self.num_computed <= len(self.tokens)
        self.pages.advance(self.num_computed, self.tokens)

    def abandon(self) -> None:
        """Lose the pages; what the index keeps of them will not have to be computed again."""
        self.pages.release()
        self.num_computed = 0
        self.drafts = ()

    def leave(self, *, broken: bool = False) -> None:
        """The sequence has ended, one way or another."""
        if broken:
            self.pages.discard()
        else:
            self.pages.release()
        self.has_left = True
