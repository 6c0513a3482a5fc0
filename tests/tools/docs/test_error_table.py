"""docs/errors.md has a row for each error, with its codes."""

import re
from pathlib import Path

from protos import errors
from protos.errors import ExpertMeshError
from tools.docs.error_table import every_error

PAGE = (Path(__file__).parents[3] / "docs/errors.md").read_text()


def test_every_error_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (\d+) \| (yes|no) \| \w+ \| .+ \|$", PAGE, re.MULTILINE)
    known = {name for name, each in vars(errors).items() if isinstance(each, type) and is_error(each)}
    assert {name for name, *_ in rows} == known - {ExpertMeshError.__name__}
    for name, code, status, retried in rows:
        error = getattr(errors, name)
        assert (error.grpc_code.name, error.http_status) == (code, int(status)), name
        assert error.retryable == (retried == "yes"), name


def is_error(kind: type[object]) -> bool:
    return issubclass(kind, ExpertMeshError)


def test_a_kind_stands_behind_what_it_is_a_kind_of() -> None:
    names = [each.__name__ for each in every_error(ExpertMeshError)]
    assert names.index("InvalidRequestError") < names.index("TooLargeError") < names.index("NotFoundError")
    assert len(names) == len(set(names))
