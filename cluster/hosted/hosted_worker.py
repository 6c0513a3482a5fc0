"""What all hosted workers are: something with an address, that announces itself until it is stopped."""

import os
from typing import Protocol

from cluster.controller.fleet import WorkerSpec
from cluster.hosted.options import HostOptions
from workers.membership.members import Announcement


class HostedWorker(Protocol):
    """Making one loads what it needs; `start` returns when it can be reached."""

    @property
    def address(self) -> str: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def wait_broken(self) -> None:
        """Returns when the worker is of no use any more, and its process should begin anew."""
        ...


def first_announcement(spec: WorkerSpec, options: HostOptions, address: str, model: str) -> Announcement:
    """What does not change; the announcer adds the incarnation."""
    return Announcement(
        name=spec.name,
        kind=spec.kind,
        node=options.node,
        address=address,
        pid=os.getpid(),
        incarnation="",
        model=model,
    )
