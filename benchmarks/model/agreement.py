"""How far two models' logits are from each other, and how far they may be before times mean anything.

By token, and of those the median: whoever rounds activations swaps a gate's fourth and fifth expert where the
two are close, and a token whose experts differ is far off without anything being wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from benchmarks.report import BenchmarkError, Row, compared


@dataclass(frozen=True, slots=True)
class Difference:
    """Of found from expected logits."""

    relative_norm: float  # ‖found − expected‖ / ‖expected‖ of a token, the median over tokens
    same_likeliest: float  # the share of tokens in which both find the same token likeliest

    @classmethod
    def of(cls, found: Tensor, expected: Tensor) -> Self:
        """[tokens, vocab] float32 both."""
        distances = (found - expected).norm(dim=1) / expected.norm(dim=1)  # [tokens]
        same = found.argmax(dim=1) == expected.argmax(dim=1)  # [tokens]
        return cls(float(distances.quantile(0.5)), float(same.float().mean()))

    def rows(self, pair: str, most: float) -> Sequence[Row]:
        return [
            compared(
                f"logits, {pair}: relative norm",
                "",
                self.relative_norm,
                peer_name="limit",
                peer=most,
                higher_is_better=False,
                goal=1.0,
            ),
            Row(f"logits, {pair}: same likeliest token", "of tokens", self.same_likeliest),
        ]

    def refuse_beyond(self, most: float, pair: str) -> None:
        # Not `>`: a model that gives NaN agrees with nobody.
        if not self.relative_norm <= most:
            raise BenchmarkError(
                f"the logits of {pair} differ by {self.relative_norm:.2g} of their norm, and the limit is "
                f"{most:.2g}: one of the two computes something else, so nothing was timed"
            )
