"""What a client says of its call in headers, as the call book wants it."""

import hashlib
import re

from gateway.calls.call_book import CallRequest
from gateway.http_face.exchange import Exchange
from gateway.http_face.request_id import new_call_id
from protos.errors import InvalidRequestError

IDEMPOTENCY_KEY = "idempotency-key"
_FIT = re.compile(r"[ -~]{1,256}")


def call_request(exchange: Exchange, prefix: str, part: int = 0) -> CallRequest:
    """The body has been read: with the path, it says whether two requests with one key are one.

    `part` counts the calls that answer one request together.
    """
    key = exchange.header(IDEMPOTENCY_KEY)
    if key is None:
        return CallRequest(new_call_id(prefix))
    if not _FIT.fullmatch(key):
        raise InvalidRequestError(
            f"the header {IDEMPOTENCY_KEY} has {len(key)} characters; it must have 1 to 256, of ASCII"
        ).about(IDEMPOTENCY_KEY)
    digest = hashlib.sha256(exchange.path.encode() + b"\n" + exchange.body).digest()
    of_part = f"{key}\n{part}" if part else key  # no key has a line break
    return CallRequest(new_call_id(prefix), idempotency_key=of_part, digest=digest)
