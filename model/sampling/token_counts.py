"""Which tokens one sequence has seen, and how often it wrote each: what the penalties need.

Kept from step to step, one addition per token, since a prompt may have 100k tokens. Not a token log: the
order is not in it. The engine makes one for a sequence whose parameters have penalties; `sampler`
reads it.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class TokenCounts:
    """The distinct tokens of prompt and output, in order of appearance, with their counts in the output.

    `output_ids` is for a sequence that another worker began: what that one wrote is still output.
    """

    def __init__(
        self, prompt_ids: Sequence[int], output_ids: Iterable[int] = (), device: torch.device | None = None
    ) -> None:
        distinct = list(dict.fromkeys(prompt_ids))
        self._token_to_slot = {token_id: slot for slot, token_id in enumerate(distinct)}
        self._token_ids = torch.tensor(distinct, dtype=torch.int64, device=device)  # [capacity]
        self._output_counts = torch.zeros_like(self._token_ids)  # [capacity]
        for token_id in output_ids:
            self.add(token_id)

    @property
    def token_ids(self) -> Tensor:
        """[distinct] int64."""
        return self._token_ids[: len(self._token_to_slot)]

    @property
    def output_counts(self) -> Tensor:
        """[distinct] int64, 0 for a token of the prompt alone."""
        return self._output_counts[: len(self._token_to_slot)]

    def add(self, token_id: int) -> None:
        """The sequence has written `token_id`."""
        slot = self._token_to_slot.setdefault(token_id, len(self._token_to_slot))
        if slot == len(self._token_ids):
            self._grow()
        self._token_ids[slot] = token_id
        self._output_counts[slot] += 1

    def copy(self) -> "TokenCounts":
        """One that goes its own way from here."""
        twin = TokenCounts((), device=self._token_ids.device)
        twin._token_to_slot = dict(self._token_to_slot)
        twin._token_ids = self._token_ids.clone()
        twin._output_counts = self._output_counts.clone()
        return twin

    def _grow(self) -> None:
        room = self._token_ids.new_zeros(max(16, len(self._token_ids)))  # [as much again]
        self._token_ids = torch.cat([self._token_ids, room])  # [capacity]
        self._output_counts = torch.cat([self._output_counts, room])  # [capacity]
