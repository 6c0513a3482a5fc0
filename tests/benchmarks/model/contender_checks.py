"""What holds for every contender: its steps, in company and one after the other, are those of its logits."""

from collections.abc import Sequence
from itertools import pairwise

import torch

from benchmarks.model.contender import Contender
from benchmarks.model.workload import Room, random_rows
from tests.benchmarks.model.small_model import SMALL

ROOM = Room(num_sequences=3, num_positions=40, num_step_tokens=45)
ROWS = random_rows(3, 27, SMALL.vocab_size)
CUTS = (0, 9, 10, 11, 25, 26, 27)


def steps_likeliest(contender: Contender) -> list[list[int]]:
    """Of each sequence, after each of its shares."""
    contender.begin()
    answers = [contender.step([row[start:stop] for row in ROWS]) for start, stop in pairwise(CUTS)]
    return [list(answer) for answer in zip(*answers, strict=True)]


def logits_likeliest(contender: Contender) -> list[list[int]]:
    """The same, one sequence at a time, from whole logits."""
    ends = torch.tensor(CUTS[1:]) - 1
    return [contender.logits(row)[ends].argmax(dim=1).tolist() for row in ROWS]


def share_of_equal(found: Sequence[Sequence[int]], expected: Sequence[Sequence[int]]) -> float:
    return float((torch.tensor(found) == torch.tensor(expected)).float().mean())
