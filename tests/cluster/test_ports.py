"""Ports that can be listened on, and those that cannot."""

import socket

import pytest

from cluster.ports import check_free
from protos.errors import ConfigError


def test_a_free_port_is_free_also_right_after_somebody_had_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as had:
        port = had.getsockname()[1]
    check_free("127.0.0.1", port, "gateway.http_port")
    check_free("127.0.0.1", port, "gateway.http_port")
    check_free("no host at all", 0, "gateway.http_port")  # any free one


def test_a_taken_one_is_named_with_its_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127.0.0.1:{port}: .* in use; .* another gateway.grpc_port"):
            check_free("127.0.0.1", port, "gateway.grpc_port")


def test_an_address_of_another_machine_cannot_be_had() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1:81: "):
        check_free("192.0.2.1", 81, "gateway.http_port")
