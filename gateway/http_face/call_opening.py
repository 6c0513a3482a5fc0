"""What a client says of its call in headers, as the call book wants it."""

from gateway.calls.call_book import CallRequest
from gateway.http_face.exchange import Exchange
from gateway.idempotency_key import IDEMPOTENCY_KEY, idempotency_key_of
from gateway.request_id import new_call_id


def call_request(exchange: Exchange, prefix: str, part: int = 0) -> CallRequest:
    """The body has been read: with the path, it says whether two requests with one key are one.

    `part` counts the calls that answer one request together.
    """
    key = idempotency_key_of(exchange.header(IDEMPOTENCY_KEY))
    if key is None:
        return CallRequest(new_call_id(prefix))
    of_part = f"{key}\n{part}" if part else key  # no key has a line break
    return CallRequest(new_call_id(prefix), idempotency_key=of_part, digest=exchange.digest)
