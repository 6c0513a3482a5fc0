"""What a step may name of a stage: positions that the model has, pages and slots that its cache has.

Checked before anything is computed: a GPU that is sent elsewhere does not refuse, it breaks. Not here:
whether a step adds up in itself (`stage_frames`). Called by a stage for every step.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.config import ModelConfig
from model.step_batch import LayerView, StepBatch
from protos.errors import MalformedFrameError
from workers.attention.stage_frames import StageStep


@dataclass(frozen=True, slots=True)
class StageLimits:
    """Of one session."""

    config: ModelConfig
    dtype: torch.dtype
    num_pages: int
    page_size: int

    def check(self, step: StageStep) -> None:
        """Raises MalformedFrameError; `step` is not on a GPU yet."""
        hidden, batch = step.hidden, step.batch
        if hidden.dtype != self.dtype or hidden.shape[1] != self.config.hidden_size:
            raise MalformedFrameError(
                f"a step has hidden states of {hidden.shape[1]} values in {hidden.dtype}; this stage takes "
                f"{self.config.hidden_size} in {self.dtype}"
            )
        _check_range("positions", batch.positions, self.config.max_positions)
        self._check_view(batch, batch.full, self.config.max_positions)
        self._check_view(batch, batch.sliding, self.config.sliding_window)

    def _check_view(self, batch: StepBatch, view: LayerView, window: int) -> None:
        """A sequence's pages begin no later than what its first token sees, and go on to its last token."""
        table, starts = view.queries.table, view.queries.starts
        _check_range("slots", view.slots, self.num_pages * self.page_size)
        _check_range("pages", table.pages, self.num_pages)
        seen = (view.queries.first_positions - (window - 1)).clamp(min=0)  # [sequences]
        last = batch.positions[starts[1:] - 1]  # [sequences]
        begins_late = (table.first_page < 0) | (table.first_page > seen // self.page_size)
        ends_early = last // self.page_size - table.first_page >= table.pages.shape[1]
        if bool((begins_late | ends_early).any()):
            raise MalformedFrameError("a step's page tables do not hold all positions that its tokens see")


def _check_range(what: str, numbers: Tensor, limit: int) -> None:
    if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < limit:
        raise MalformedFrameError(
            f"a step names {what} from {int(numbers.min())} to {int(numbers.max())}; this stage has 0 to "
            f"{limit - 1}"
        )
