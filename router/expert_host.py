"""An expert worker as balance sees it: a name, the node that it dies with, and how many experts it can hold.

Not here: where it listens (`router.topology`), what it holds (`router.placement`). Pure.
"""

from dataclasses import dataclass

from protos.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ExpertHost:
    """`num_slots` counts (layer, expert) pairs: all experts of a model have one size."""

    name: str
    node: str
    num_slots: int

    def __post_init__(self) -> None:
        if self.num_slots < 0:
            raise ConfigError(
                f"the worker {self.name} has {self.num_slots} slots for experts; the least is 0"
            )
