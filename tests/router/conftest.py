"""A mesh of scripted workers, which end with the test; and each way of running a stream."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from router.direct_stream import DirectStream
from router.stream import StreamOpener, ThreadedStream
from tests.router.scripted_mesh import Mesh


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with ExitStack() as stack:
        yield Mesh(stack)


@pytest.fixture(params=[DirectStream, ThreadedStream])
def opener(request: pytest.FixtureRequest) -> StreamOpener:
    """Each way of running a stream."""
    kind: type[DirectStream | ThreadedStream] = request.param
    if kind is DirectStream and not DirectStream.is_known_to_work():
        pytest.skip("this version of grpcio was not tried")
    return kind
