"""An error on its way between processes: of the tree in protos/errors.py, to plain values and back.

It is not a message: each area's .proto has its own, with these fields. Wire codecs call it. A traceback never
travels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from protos.errors import ExpertMeshError


@dataclass(frozen=True, slots=True)
class Failure:
    """What both ends know of an error."""

    code: int  # the number of a gRPC status
    name: str
    message: str
    retryable: bool  # for clients without the tree; in it, the code says so
    retry_after_s: float | None = None

    @classmethod
    def of(cls, error: ExpertMeshError) -> "Failure":
        return cls(
            int(error.grpc_code), type(error).__name__, str(error), error.retryable, error.retry_after_s
        )

    def error(self) -> ExpertMeshError:
        """Of the same class; of a class that is not known here, the most general one with the same code."""
        kind = _class_of(self.name, self.code)
        error = kind.__new__(kind, self.message)  # not by its constructor, which makes messages of its own
        error.retry_after_s = self.retry_after_s
        return error


def _class_of(name: str, code: int) -> type[ExpertMeshError]:
    fitting = [kind for kind in _by_generality() if kind.grpc_code == code]
    return next((kind for kind in fitting if kind.__name__ == name), next(iter(fitting), ExpertMeshError))


def _by_generality() -> Iterator[type[ExpertMeshError]]:
    """The whole tree, each class before those below it, level by level."""
    level: list[type[ExpertMeshError]] = [ExpertMeshError]
    while level:
        yield from level
        level = [below for kind in level for below in kind.__subclasses__()]
