import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from examples.first_run.ports import HOST, USUAL, Ports, choose_ports
from protos.errors import AddressTakenError


@pytest.fixture
def free() -> Ports:
    """Ports that stand for the usual ones, which somebody may have."""
    with ExitStack() as held:
        found = [held.enter_context(socket.create_server((HOST, 0))).getsockname()[1] for _ in range(3)]
    return Ports(*found)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as held:
        yield held.getsockname()[1]


def test_the_usual_ones_are_those_of_the_configuration() -> None:
    assert Ports(8000, 8001, 7700) == USUAL


def test_the_usual_ones_are_taken_if_they_are_free(free: Ports) -> None:
    assert choose_ports(None, None, None, free) == free


def test_another_one_is_found_for_one_that_is_taken_and_that_is_said(free: Ports, taken: int) -> None:
    found = choose_ports(None, None, None, Ports(free.http, taken, free.controller))
    assert (found.http, found.controller) == (free.http, free.controller)
    assert found.grpc not in (taken, 0)
    assert found.changed == (f"port {taken} is taken, so it is {found.grpc}; GRPC_PORT=N chooses another",)


def test_what_was_asked_for_is_taken_and_0_is_any(free: Ports) -> None:
    found = choose_ports(free.grpc, 0, None, Ports(1, 2, free.controller))
    assert (found.http, found.controller, found.changed) == (free.grpc, free.controller, ())
    assert found.grpc not in (0, 2)


def test_what_was_asked_for_and_cannot_be_had_is_refused(free: Ports, taken: int) -> None:
    with pytest.raises(AddressTakenError, match=f"{HOST}:{taken}: .* another CONTROLLER_PORT"):
        choose_ports(None, None, taken, free)
