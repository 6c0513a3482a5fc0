"""Whether a port of this machine can be listened on. Asked by commands before they begin what takes long."""

import socket

from protos.errors import AddressTakenError


def check_free(host: str, port: int, key: str) -> None:
    """Raises AddressTakenError; `key` says what to change. It may be taken right after."""
    if not port:
        return
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            tried.bind(address)
    except OSError as error:
        raise AddressTakenError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; end what listens there, or write "
            f"another {key}"
        ) from error
