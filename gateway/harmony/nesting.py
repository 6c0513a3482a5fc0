"""How deep the JSON of clients may nest, so that no walk over it exhausts the stack."""

from collections.abc import Mapping

from protos.errors import InvalidRequestError

MAX_DEPTH = 128
"""Of objects and lists in one another; a schema in a schema's properties is two."""


def check_nesting(what: str, value: object) -> None:
    level: list[object] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [inner for outer in level for inner in _children(outer)]
        if not level:
            return
    raise InvalidRequestError(
        f"{what} nests more than {MAX_DEPTH} objects and lists in one another; flatten it"
    )


def _children(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []
