"""What the sampler must know of each row that a step draws, and the token counts behind the penalties.

Counts are kept from step to step, for choices with penalties only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from model.sampling.sampler import SamplerRow
from model.sampling.token_counts import TokenCounts
from workers.engine.step_work import Draw


@dataclass(slots=True)
class _Counted:
    counts: TokenCounts
    num_seen: int  # of the history


class SamplerRows:
    """Rows for the token after a share's last one and after each of its drafts."""

    def __init__(self) -> None:
        self._key_to_counted: dict[int, _Counted] = {}

    def of(self, draw: Draw, drafts: Sequence[int]) -> list[SamplerRow]:
        position = len(draw.history)
        counts = self._counts(draw) if draw.parameters.has_penalties else None
        rows = [SamplerRow(draw.parameters, position, counts, draw.choice)]
        for index, draft in enumerate(drafts, start=1):
            if counts is not None:
                counts = counts.copy()  # as if the draft had been written
                counts.add(draft)
            rows.append(SamplerRow(draw.parameters, position + index, counts, draw.choice))
        return rows

    def forget(self, choice_key: int) -> None:
        self._key_to_counted.pop(choice_key, None)

    def _counts(self, draw: Draw) -> TokenCounts:
        counted = self._key_to_counted.get(draw.choice_key)
        if counted is None:
            counted = _Counted(TokenCounts(draw.history[: draw.num_prompt]), draw.num_prompt)
            self._key_to_counted[draw.choice_key] = counted
        for token_id in draw.history[counted.num_seen :]:
            counted.counts.add(token_id)
        counted.num_seen = len(draw.history)
        return counted.counts
