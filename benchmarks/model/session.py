"""One peer and ours on one checkpoint, alive together: first their logits agree, then they take turns.

Each is a process of its own, and waits for its input while the other computes. Every peer has a session of
its own, because all models at once would need 20 GB; so a ratio is always of two that ran in turns. Threads
of all wait as ours do (`cluster.environment`): where others use the machine, a peer is much faster so.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.child_process import Child, child
from benchmarks.interleaving import interleaved_medians
from benchmarks.model.agreement import Difference
from benchmarks.model.orders import LogitsOrder, TimeOrder, order_to_line
from benchmarks.model.peers import Peer
from benchmarks.model.variants import DEFAULT, VARIANTS, Variant
from benchmarks.model.workload import Room, Workload, random_rows
from benchmarks.report import Row, compared
from cluster.cores import num_cores

MODULE = "benchmarks.model.process"
OURS = "ours"
NUM_LOGITS = 288
"""Of one sequence, most of whose tokens are past a window of 128."""


@dataclass(frozen=True, slots=True)
class Session:
    """What is the same for every peer."""

    folder: Path
    vocab_size: int
    workloads: Sequence[Workload]
    num_rounds: int

    def among_ours(self) -> Iterator[Row]:
        """How far the other ways of ours are from the default."""
        with self._process(OURS) as ours:
            expected = self._logits(ours, DEFAULT.name)
            for variant in VARIANTS:
                if variant is not DEFAULT:
                    found = self._logits(ours, variant.name)
                    yield from _agreed(variant.name, found, expected, variant.limit)

    def against(self, peer: Peer) -> Iterator[Row]:
        yield from self._agreement(peer)
        # Theirs first: while a model is loaded it takes more memory than it keeps.
        with self._process(peer.name) as theirs, self._process(OURS) as ours:
            for workload in self.workloads:
                speeds = self._speeds(workload, _ours(ours) | {peer.name: theirs})
                yield from [_compared(workload, variant, speeds, peer) for variant in VARIANTS]

    def alone(self, missing: Peer) -> Iterator[Row]:
        """The rows of a peer that is not there."""
        with self._process(OURS) as ours:
            for workload in self.workloads:
                for name, speed in self._speeds(workload, _ours(ours)).items():
                    row_name = _row_name(workload, name)
                    yield Row(row_name, "tokens/s", speed, f"{missing.name}, not installed")

    def _agreement(self, peer: Peer) -> Sequence[Row]:
        """In processes that end with it, since what this takes is not all given back while they live."""
        with self._process(peer.name) as theirs:
            logits = {name: self._logits(theirs, name) for name in peer.limits}
        with self._process(OURS) as ours:
            expected = self._logits(ours, DEFAULT.name)
        return [
            row for name, limit in peer.limits.items() for row in _agreed(name, logits[name], expected, limit)
        ]

    def _speeds(self, workload: Workload, contenders: Mapping[str, Child]) -> Mapping[str, float]:
        """Tokens a second."""

        def measure(name: str) -> float:
            contenders[name].tell(order_to_line(TimeOrder(name, workload)))
            return float(contenders[name].hear())

        return interleaved_medians({name: partial(measure, name) for name in contenders}, self.num_rounds)

    @contextmanager
    def _process(self, kind: str) -> Iterator[Child]:
        num_threads = num_cores()
        room = Room.of(self.workloads, NUM_LOGITS)
        numbers = (num_threads, room.num_sequences, room.num_positions, room.num_step_tokens)
        arguments = [kind, str(self.folder), *map(str, numbers)]
        with child(MODULE, arguments, threads=num_threads) as process:
            process.hear()
            yield process

    def _logits(self, process: Child, contender: str) -> Tensor:
        """[tokens, vocab]"""
        file = self.folder / "logits.pt"
        [token_ids] = random_rows(1, NUM_LOGITS, self.vocab_size)
        process.tell(order_to_line(LogitsOrder(contender, tuple(token_ids), str(file))))
        process.hear()
        logits: Tensor = torch.load(file)
        return logits


def _ours(process: Child) -> dict[str, Child]:
    return {variant.name: process for variant in VARIANTS}


def _agreed(name: str, found: Tensor, expected: Tensor, limit: float) -> Sequence[Row]:
    difference = Difference.of(found, expected)
    difference.refuse_beyond(limit, f"{name} and ours")
    return difference.rows(name, limit)


def _compared(workload: Workload, variant: Variant, speeds: Mapping[str, float], peer: Peer) -> Row:
    return compared(
        _row_name(workload, variant.name),
        "tokens/s",
        speeds[variant.name],
        peer_name=peer.name,
        peer=speeds[peer.name],
        higher_is_better=True,
        goal=peer.goal(workload.name),
    )


def _row_name(workload: Workload, variant_name: str) -> str:
    return workload.name if variant_name == DEFAULT.name else f"{workload.name}, {variant_name}"
