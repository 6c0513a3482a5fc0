"""The seam between the controller and whatever gives workers their processes.

`cluster.ray.ray_fleet` is the one that is shipped; tests have one of plain processes. A fleet also restarts
a process that has died, under the same name. Workers announce themselves to the controller: a fleet does not
say whether one is ready.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from workers.membership.members import WorkerKind


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A worker that shall be there. `stages` are the names of those behind an attention worker."""

    name: str
    kind: WorkerKind
    layers: tuple[int, ...] | None = None  # of a stage, or of an attention worker that has stages
    stages: tuple[str, ...] = ()


class Fleet(Protocol):
    """Called by the controller's thread. Nothing here waits for a worker to be ready."""

    def names(self) -> Collection[str]:
        """Of all workers that were spawned and not stopped, by this controller or one before it."""
        ...

    def spawn(self, specs: Collection[WorkerSpec]) -> None:
        """Together, so that they can be put on different nodes."""
        ...

    def stop(self, name: str) -> None:
        """For good."""
        ...

    def hindrances(self, names: Collection[str]) -> Mapping[str, str]:
        """Why the processes of these, that were spawned, are of no use yet, as far as that is known."""
        ...

    def recall(self) -> str | None:
        """What was remembered last, also by a controller before this one."""
        ...

    def remember(self, text: str) -> None: ...
