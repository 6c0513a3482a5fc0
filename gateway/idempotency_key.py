"""The key by which a client says that two requests are one, as all faces read it: from a header or metadata.

Not here: what a key stands for (`gateway.calls`).
"""

import re

from protos.errors import InvalidRequestError

IDEMPOTENCY_KEY = "idempotency-key"
_FIT = re.compile(r"[ -~]{1,256}")


def idempotency_key_of(given: str | None) -> str | None:
    """Raises InvalidRequestError for what can be none."""
    if given is not None and not _FIT.fullmatch(given):
        raise InvalidRequestError(
            f"{IDEMPOTENCY_KEY} has {len(given)} characters; it must have 1 to 256, all printable ASCII"
        ).about(IDEMPOTENCY_KEY)
    return given


def refuse_idempotency_key(given: str | None) -> None:
    """Where no key is obeyed: to pass it over would make two of what the client holds for one."""
    if given is not None:
        raise InvalidRequestError(
            f"{IDEMPOTENCY_KEY} is not obeyed here, so nothing would be idempotent; leave it out"
        ).about(IDEMPOTENCY_KEY)
