"""The tree drawn in the module's docstring against the classes, in both directions."""

import re
from dataclasses import dataclass

import grpc
import pytest

from protos import errors
from protos.errors import ExpertMeshError, GrpcCode, RecoveredBy

BRANCH = re.compile(
    r"(?P<indent>[ │]*)(?:├── |└── )?(?P<name>\w+Error)"
    r"(?: +(?P<code>[A-Z_]+) +(?P<status>\d{3})  (?P<recovery>.+)| .*)?"
)
CODE_TO_STATUSES = {
    GrpcCode.CANCELLED: {499},
    GrpcCode.INVALID_ARGUMENT: {400, 405, 408, 413, 415},
    GrpcCode.DEADLINE_EXCEEDED: {504},
    GrpcCode.NOT_FOUND: {404},
    GrpcCode.ALREADY_EXISTS: {409},
    GrpcCode.RESOURCE_EXHAUSTED: {429},
    GrpcCode.FAILED_PRECONDITION: {500},
    GrpcCode.INTERNAL: {500},
    GrpcCode.UNAVAILABLE: {503},
}
"""HTTP has statuses of its own for much that cannot be asked. FAILED_PRECONDITION is the operator's, not the
caller's, so HTTP calls it the server's failure."""

RETRYABLE = {GrpcCode.UNAVAILABLE, GrpcCode.RESOURCE_EXHAUSTED, GrpcCode.DEADLINE_EXCEEDED}
FOR_THE_CALLER = {
    GrpcCode.INVALID_ARGUMENT,
    GrpcCode.NOT_FOUND,
    GrpcCode.ALREADY_EXISTS,
    GrpcCode.CANCELLED,
    GrpcCode.DEADLINE_EXCEEDED,
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """One line of the tree; what a line leaves open, it takes from the line above it in the tree."""

    name: str
    parent: str | None
    code: str | None
    status: str | None
    recovery: str | None


def read_tree() -> list[Drawn]:
    drawn: list[Drawn] = []
    ancestors: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if not (branch := BRANCH.fullmatch(line)):
            continue
        depth = (branch.start("name") - 4) // 4
        parent = ancestors[depth - 1] if depth else None
        ancestors[depth:] = [branch["name"]]
        drawn.append(Drawn(branch["name"], parent, branch["code"], branch["status"], branch["recovery"]))
    return drawn


def descendants(cls: type[ExpertMeshError]) -> list[type[ExpertMeshError]]:
    children = [child for child in cls.__subclasses__() if child.__module__ == errors.__name__]
    return [cls, *(below for child in children for below in descendants(child))]


DRAWN = read_tree()
CLASSES = {cls.__name__: cls for cls in descendants(ExpertMeshError)}


def test_the_drawing_has_the_classes_in_the_order_of_the_file() -> None:
    defined = [value.__name__ for value in vars(errors).values() if isinstance(value, type)]
    assert [line.name for line in DRAWN] == [name for name in defined if name in CLASSES]
    assert set(CLASSES) == {name for name in defined if name.endswith("Error")}


@pytest.mark.parametrize("line", DRAWN, ids=lambda line: line.name)
def test_a_class_is_as_drawn(line: Drawn) -> None:
    cls = CLASSES[line.name]
    (base,) = cls.__bases__
    assert base.__name__ == (line.parent or "Exception")
    inherited = base if issubclass(base, ExpertMeshError) else ExpertMeshError
    assert cls.grpc_code.name == (line.code or inherited.grpc_code.name)
    assert cls.http_status == int(line.status or inherited.http_status)
    if line.recovery and line.recovery.startswith("the "):
        assert line.recovery.split()[1] == cls.recovered_by
    if line.recovery:
        assert cls.retryable == line.recovery.startswith("retry ")


@pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
def test_grpc_and_http_say_the_same(cls: type[ExpertMeshError]) -> None:
    assert cls.http_status in CODE_TO_STATUSES[cls.grpc_code]
    assert cls.retryable == (cls.grpc_code in RETRYABLE)
    assert (cls.recovered_by is RecoveredBy.CALLER) == (cls.grpc_code in FOR_THE_CALLER)


def test_every_class_says_what_it_means() -> None:
    for cls in CLASSES.values():
        assert cls.__doc__ != cls.__base__.__doc__, cls


def test_the_codes_are_the_numbers_on_the_wire() -> None:
    for code in GrpcCode:
        assert grpc.StatusCode[code.name].value[0] == code
