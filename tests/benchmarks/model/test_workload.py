"""What a contender is told to do, and how its speed is counted."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.model.workload import Room, Workload, random_rows


class Recorder:
    """A contender that takes its time and computes nothing."""

    def __init__(self) -> None:
        self.shares: list[Sequence[Sequence[int]]] = []
        self.num_begun = 0

    def begin(self) -> None:
        self.num_begun += 1

    def step(self, shares: Sequence[Sequence[int]]) -> Sequence[int]:
        self.shares.append(shares)
        time.sleep(0.02)
        return [0] * len(shares)

    def logits(self, token_ids: Sequence[int]) -> Tensor:
        return torch.zeros(len(token_ids), 1)


def test_decode_goes_token_by_token_behind_its_context() -> None:
    recorder = Recorder()
    speed = Workload.decode(3, num_steps=5).tokens_per_s(recorder, vocab_size=50)
    assert recorder.num_begun == 1
    assert [[len(share) for share in shares] for shares in recorder.shares] == [[8] * 3, *[[1] * 3] * 5]
    rows = [[token for shares in recorder.shares for token in shares[number]] for number in range(3)]
    assert rows == random_rows(3, 13, 50)
    assert 0 < speed <= 3 / 0.02  # no step is shorter, and the context's tokens do not count


def test_prefill_is_one_step() -> None:
    recorder = Recorder()
    speed = Workload.prefill(40).tokens_per_s(recorder, vocab_size=50)
    assert recorder.shares == [random_rows(1, 40, 50)]
    assert 0 < speed <= 40 / 0.02


def test_room_is_for_the_widest_the_longest_and_the_logits() -> None:
    workloads = [Workload.decode(16, 5), Workload.decode(2, 30), Workload.prefill(64)]
    assert Room.of(workloads, num_logits=20) == Room(16, 64, 128)
    assert Room.of(workloads, num_logits=200) == Room(16, 200, 200)


def test_tokens_are_the_same_each_time_and_in_the_vocabulary() -> None:
    rows = random_rows(4, 30, 11)
    assert rows == random_rows(4, 30, 11)
    assert {token for row in rows for token in row} == set(range(11))
    assert rows[0] != rows[1]
