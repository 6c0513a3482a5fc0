"""The table of docs/errors.md: every error of the tree, with what a client sees of it."""

from collections.abc import Iterator
from pathlib import Path

from protos.errors import ExpertMeshError
from tools.docs.markdown import table


def error_table(_: Path) -> str:
    rows = [
        (
            f"`{error.__name__}`",
            f"`{error.grpc_code.name}`",
            str(error.http_status),
            "yes" if error.retryable else "no",
            error.recovered_by,
            (error.__doc__ or "").strip(),
        )
        for error in every_error(ExpertMeshError)
    ]
    return table(("error", "gRPC", "HTTP", "try again", "who can mend it", "what it means"), rows)


def every_error(root: type[ExpertMeshError]) -> Iterator[type[ExpertMeshError]]:
    """Those below the root, each before its own kinds, in the order of the file."""
    for error in root.__subclasses__():
        if error.__module__ == root.__module__:
            yield error
            yield from every_error(error)
