"""Whom we are compared with: where each comes from, how near its logits must be, what we want to reach."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution

FLOAT32_LIMIT = 1e-5
"""Both compute in float32: what is left is the order of additions, some 1e-6 after four layers."""

ROUNDED_LIMIT = 0.08
"""One side rounds what goes into its matmuls: to bfloat16, or to int8 by blocks of 32 before every expert.

After four layers that is 0.03 to 0.04, and a model misread in one place 0.10 to 0.47 (docs/log.md). Less, and
so unseen here: a window that is one longer, and YaRN's bounds rounded or not.
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """The name is that of --against, and of the contender that is timed."""

    name: str
    distribution: str
    extra: str
    limits: Mapping[str, float]  # by contender: how far its logits may be from ours
    goals: Mapping[str, float] = field(default_factory=dict)  # by workload: how many times as fast we want
    goal_elsewhere: float | None = None  # to be; here for all others

    @property
    def is_installed(self) -> bool:
        try:
            distribution(self.distribution)
        except PackageNotFoundError:
            return False
        return True

    @property
    def how_to_get_it(self) -> str:
        return (
            f"{self.name} is not installed, so its rows are empty; "
            f"`pip install -c constraints.txt -e '.[{self.extra}]'` brings it"
        )

    def goal(self, workload: str) -> float | None:
        return self.goals.get(workload, self.goal_elsewhere)


TRANSFORMERS = Peer(
    "transformers",
    "transformers",
    "peers",
    limits={"transformers, float32": FLOAT32_LIMIT, "transformers": ROUNDED_LIMIT},
    goal_elsewhere=3.0,
)
LLAMA_CPP = Peer(
    "llama.cpp",
    "llama-cpp-python",
    "llama-cpp",
    limits={"llama.cpp": ROUNDED_LIMIT},
    goals={"decode, batch 1": 1.0, "decode, batch 16": 1.5, "prefill, 256 tokens": 2.0},
)
PEERS = {peer.name: peer for peer in (TRANSFORMERS, LLAMA_CPP)}
