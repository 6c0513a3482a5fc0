"""The seam between what is timed and who is timed: ours and each peer run a model through these three.

Not here: what they are given to do (`workload`), and the process that each lives in (`process`).
"""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class Contender(Protocol):
    """A loaded model. It keeps the keys and values of sequences 0, 1, … from step to step."""

    def begin(self) -> None:
        """Forget every sequence."""
        ...

    def step(self, shares: Sequence[Sequence[int]]) -> Sequence[int]:
        """The next tokens of each sequence, equally many; -> the likeliest token after each, [sequences].

        All that a step costs is in here, from lists of tokens to a list of tokens.
        """
        ...

    def logits(self, token_ids: Sequence[int]) -> Tensor:
        """Of each token of one sequence, in one step: [tokens, vocab] float32."""
        ...
