"""A second node on this machine: a network namespace behind a cable that a test may pull."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.process_fleet import Node


class Cable:
    """Between this machine's own network and the namespace's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def pull(self) -> None:
        """No packet gets through, and nobody is told."""
        _ip("link", "set", self._name, "down")

    def plug(self) -> None:
        _ip("link", "set", self._name, "up")


@contextmanager
def two_networks() -> Iterator[tuple[tuple[Node, Node], Cable]]:
    """Skips where this machine does not allow it."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network namespace needs root and the command ip (apt-get install iproute2)")
    number = os.getpid() % 250
    space, here, there = f"mesh-{number}", f"mesh{number}a", f"mesh{number}b"
    address = f"10.213.{number}"
    try:
        _ip("netns", "add", space)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no network namespaces: {error.stderr.strip()}")
    try:
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", space)
        _ip("address", "add", f"{address}.1/24", "dev", here)
        _ip("link", "set", here, "up")
        _ip("-n", space, "address", "add", f"{address}.2/24", "dev", there)
        _ip("-n", space, "link", "set", there, "up")
        _ip("-n", space, "link", "set", "lo", "up")
        inside = ("ip", "netns", "exec", space)
        nodes = Node("node-0", f"{address}.1"), Node("node-1", f"{address}.2", inside)
        yield nodes, Cable(here)
    finally:
        _ip("netns", "delete", space)  # and with it both ends of the cable


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
