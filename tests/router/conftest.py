"""A mesh of scripted workers, which end with the test."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.router.scripted_mesh import Mesh


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with ExitStack() as stack:
        yield Mesh(stack)
