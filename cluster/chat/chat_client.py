"""The client's end of the OpenAI API: which models there are, and an answer as it comes.

Not here: what is asked (`conversation`) and how it looks (`screen`). Of one thread, with a connection for
each request, so that to close an answer cancels it.
"""

import http.client
import json
import ssl
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cluster.chat.deltas import Delta
from cluster.chat.wire import Json, deltas_of, error_in, error_of, names_of
from protos.errors import ConfigError, GatewayUnreachableError

_CONNECT_WITHIN_S = 10.0
_SILENT_FOR_S = 900.0
"""A request may wait long for its turn."""
_DATA, _LAST = b"data:", b"[DONE]"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the gateway is."""

    host: str
    port: int
    is_secure: bool
    prefix: str  # of paths

    @classmethod
    def parse(cls, text: str) -> "Place":
        """A URL, with or without /v1 at its end, or host:port."""
        url = urlsplit(text if "://" in text else f"http://{text}")
        try:
            port = url.port
        except ValueError:
            port = 0
        if url.scheme not in ("http", "https") or not url.hostname or port == 0:
            raise ConfigError(f"--url is {text}; write it as http://HOST:PORT, such as http://127.0.0.1:8000")
        is_secure = url.scheme == "https"
        prefix = url.path.rstrip("/").removesuffix("/v1")
        return cls(url.hostname, port or (443 if is_secure else 80), is_secure, prefix)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.is_secure else 'http'}://{host}:{self.port}{self.prefix}"


class ChatClient:
    """Raises GatewayUnreachableError where nobody answers, and what a gateway refuses in its own words."""

    def __init__(self, place: Place, authority: Path | None = None) -> None:
        """`authority`: a file with whom to trust, beside those that the system trusts."""
        self._place = place
        self._authority = authority

    def models(self) -> Sequence[str]:
        with self._asked("GET", "/v1/models", None) as response:
            return names_of(_document(response.read()))

    def answer(self, request: Json) -> Generator[Delta, None, None]:
        """Piece by piece; to close the generator cancels the answer."""
        body = {**request, "stream": True, "stream_options": {"include_usage": True}}
        with self._asked("POST", "/v1/chat/completions", body) as response:
            while line := response.readline():
                if not line.startswith(_DATA):
                    continue  # an empty line, or a comment that keeps the connection alive
                data = line.removeprefix(_DATA).strip()
                if data == _LAST:
                    return
                chunk = _document(data)
                if (error := error_in(chunk)) is not None:
                    raise error
                yield from deltas_of(chunk)
        raise GatewayUnreachableError(f"the gateway at {self._place} broke off in the middle of its answer")

    @contextmanager
    def _asked(self, method: str, path: str, body: Json | None) -> Iterator[http.client.HTTPResponse]:
        connection = self._connection()
        try:
            headers = {"content-type": "application/json"}
            text = None if body is None else json.dumps(body).encode()
            connection.connect()
            connection.sock.settimeout(_SILENT_FOR_S)
            connection.request(method, self._place.prefix + path, text, headers)
            with connection.getresponse() as response:
                if response.status != http.client.OK:
                    raise error_of(response.status, response.read().decode(errors="replace"))
                yield response
        except (OSError, http.client.HTTPException) as error:
            raise GatewayUnreachableError(
                f"no gateway answers at {self._place} ({_words(error)}); `expertmesh serve --model M` begins "
                f"one here, and --url names one elsewhere"
            ) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        place = self._place
        if not place.is_secure:
            return http.client.HTTPConnection(place.host, place.port, timeout=_CONNECT_WITHIN_S)
        trust = ssl.create_default_context()
        if self._authority is not None:
            try:
                trust.load_verify_locations(self._authority)
            except OSError as error:
                raise ConfigError(f"--ca {self._authority} cannot be used: {error.strerror}") from error
        return http.client.HTTPSConnection(place.host, place.port, timeout=_CONNECT_WITHIN_S, context=trust)


def _document(text: bytes) -> Json:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise GatewayUnreachableError(f"what answers is no gateway: it says {text[:80]!r}")
    return document


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, http.client.HTTPException):
        return "what answers there does not speak HTTP/1.1; is it the gRPC port?"
    return str(error) or type(error).__name__
