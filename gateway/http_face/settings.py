"""How much the HTTP face takes, and for how long it waits. Checked once, never changed."""

from dataclasses import dataclass

from gateway.positive import check_positive


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Of one gateway. Times are in seconds."""

    max_body_bytes: int = 8 * 1024 * 1024  # of a request, as they come; what its headers say is not trusted
    max_header_bytes: int = 64 * 1024
    max_connections: int = 8192
    header_timeout_s: float = 10.0  # from the first byte of a request, or from connecting, to its last header
    body_timeout_s: float = 60.0  # for the whole body
    write_timeout_s: float = 30.0  # that a client may leave what it is sent unread
    keep_alive_s: float = 75.0  # that a connection may wait for its next request
    cors_origins: tuple[str, ...] = ()  # web pages that may call this gateway from a browser; none

    def __post_init__(self) -> None:
        check_positive(self)
