"""What every contender is given to do, and the clock around it.

Every step is fed tokens that were drawn beforehand, whatever the contender finds likely: so all visit the
same experts, and sequences do not fall into one repeating answer, as they do with random weights, which would
need fewer experts. A contender still has to find the likeliest token of every step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import torch

from benchmarks.model.contender import Contender


@dataclass(frozen=True, slots=True)
class Workload:
    """`num_steps` steps of `chunk` tokens of each sequence, behind a context that no clock sees."""

    name: str
    num_sequences: int
    context: int
    chunk: int
    num_steps: int

    @classmethod
    def decode(cls, num_sequences: int, num_steps: int) -> "Workload":
        return cls(f"decode, batch {num_sequences}", num_sequences, context=8, chunk=1, num_steps=num_steps)

    @classmethod
    def prefill(cls, num_tokens: int) -> "Workload":
        return cls(f"prefill, {num_tokens} tokens", 1, context=0, chunk=num_tokens, num_steps=1)

    @property
    def num_positions(self) -> int:
        """Of each sequence, at the end."""
        return self.context + self.chunk * self.num_steps

    def tokens_per_s(self, contender: Contender, vocab_size: int) -> float:
        rows = random_rows(self.num_sequences, self.num_positions, vocab_size)
        contender.begin()
        if self.context:
            contender.step([row[: self.context] for row in rows])
        begin = perf_counter()
        for first in range(self.context, self.num_positions, self.chunk):
            contender.step([row[first : first + self.chunk] for row in rows])
        elapsed = perf_counter() - begin
        return self.num_sequences * self.chunk * self.num_steps / elapsed


@dataclass(frozen=True, slots=True)
class Room:
    """What a contender must have room for."""

    num_sequences: int
    num_positions: int  # of each sequence
    num_step_tokens: int

    @classmethod
    def of(cls, workloads: Sequence[Workload], num_logits: int) -> "Room":
        """For any of these, and for the logits of one sequence of so many tokens."""
        steps = [workload.num_sequences * max(workload.context, workload.chunk) for workload in workloads]
        return cls(
            max(workload.num_sequences for workload in workloads),
            max(num_logits, *(workload.num_positions for workload in workloads)),
            max(num_logits, *steps),
        )


def random_rows(num_rows: int, length: int, vocab_size: int) -> Sequence[Sequence[int]]:
    """The same in every process."""
    generator = torch.Generator().manual_seed(2)
    rows: list[list[int]] = torch.randint(0, vocab_size, (num_rows, length), generator=generator).tolist()
    return rows
