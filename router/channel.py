"""How workers speak gRPC to each other: the options of every channel and server, and mutual TLS.

Pings tell a peer that is gone from one that is busy: gRPC's own threads answer, however long a step takes.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import grpc

from protos.errors import AddressTakenError, ConfigError

PING_EVERY_MS, PING_TIMEOUT_MS = 2000, 2000
_LEAST_RECONNECT_MS, _MOST_RECONNECT_MS = 50, 1000
_SLACK_BYTES = 1 << 16
"""What gRPC takes beyond our own limit, so that we refuse a frame with its own error, and gRPC does not."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of one process: its certificate and key, and the authority that all peers' are signed by."""

    authority: Path
    certificate: Path
    key: Path

    def read(self) -> tuple[bytes, bytes, bytes]:
        try:
            return self.authority.read_bytes(), self.certificate.read_bytes(), self.key.read_bytes()
        except OSError as error:
            raise ConfigError(f"tls: {error.filename} cannot be read: {error.strerror}") from error


def open_channel(address: str, max_bytes: int, tls: TlsFiles | None = None) -> grpc.Channel:
    """Nothing is connected before the first call."""
    options = client_options(max_bytes)
    if tls is None:
        return grpc.insecure_channel(address, options=options)
    return grpc.secure_channel(address, client_credentials(tls), options=options)


def client_options(max_bytes: int) -> Sequence[tuple[str, int]]:
    return (*_message_options(max_bytes), *_CLIENT_OPTIONS)


def client_credentials(tls: TlsFiles) -> grpc.ChannelCredentials:
    authority, certificate, key = tls.read()
    return grpc.ssl_channel_credentials(authority, key, certificate)


def make_server(num_threads: int, max_bytes: int) -> grpc.Server:
    """A standing stream takes a thread for as long as it stands."""
    threads = ThreadPoolExecutor(num_threads, thread_name_prefix="expertmesh-grpc")
    return grpc.server(threads, options=server_options(max_bytes))


def server_options(max_bytes: int, max_received_bytes: int | None = None) -> Sequence[tuple[str, int]]:
    """`max_received_bytes`: of a server that takes less than it gives."""
    return (*_message_options(max_bytes, max_received_bytes), *_SERVER_OPTIONS)


class Listener(Protocol):
    """A server of threads, or of an event loop."""

    def add_insecure_port(self, address: str) -> int: ...

    def add_secure_port(self, address: str, server_credentials: grpc.ServerCredentials) -> int: ...


def listen(server: Listener, address: str, tls: TlsFiles | None = None, *, is_mutual: bool = True) -> int:
    """-> the port, which the system chooses where `address` names port 0. Clients have certificates too if
    `is_mutual`."""
    try:
        if tls is None:
            return server.add_insecure_port(address)
        authority, certificate, key = tls.read()
        credentials = grpc.ssl_server_credentials([(key, certificate)], authority, is_mutual)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise AddressTakenError(
            f"cannot listen on {address}: the port is taken, or it is not an address of this machine"
        ) from error


def _message_options(max_bytes: int, max_received_bytes: int | None = None) -> Sequence[tuple[str, int]]:
    received = max_bytes if max_received_bytes is None else max_received_bytes
    return (
        ("grpc.max_send_message_length", max_bytes + _SLACK_BYTES),
        ("grpc.max_receive_message_length", received + _SLACK_BYTES),
    )


_PINGS = (
    ("grpc.keepalive_time_ms", PING_EVERY_MS),
    ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
_CLIENT_OPTIONS = (
    *_PINGS,
    ("grpc.initial_reconnect_backoff_ms", _LEAST_RECONNECT_MS),
    ("grpc.min_reconnect_backoff_ms", _LEAST_RECONNECT_MS),
    ("grpc.max_reconnect_backoff_ms", _MOST_RECONNECT_MS),
    ("grpc.use_local_subchannel_pool", 1),  # a lane does not share the fate of another's connection
)
_SERVER_OPTIONS = (
    *_PINGS,
    ("grpc.http2.min_ping_interval_without_data_ms", PING_EVERY_MS // 2),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_EVERY_MS // 2),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),  # two workers on one port is an error, not a lottery
)
