"""What the mesh is called in Ray: its controller, what it remembers, how `ps` shows its processes."""

from typing import TypeVar

Actor = TypeVar("Actor")

CONTROLLER = "controller"
"""The detached actor; every other named actor of the namespace is a worker, under its own name."""


FOR_EVER = -1
"""Ray's word for restarts without end."""


def actor_class(kind: type[Actor], name: str) -> type[Actor]:
    """Ray calls a process by its actor's class; with one of its own, `ps` says which worker it is."""
    return type(name, (kind,), {})


def hindrance_key(mesh: str, worker: str) -> bytes:
    """Why a worker cannot begin, by its own word."""
    return f"{mesh}:hindrance:{worker}".encode()


def wishes_key(mesh: str) -> bytes:
    """In the key-value store of Ray, which all namespaces share."""
    return f"{mesh}:wishes".encode()
