"""Names for requests: the client's own, which stands in answers and logs, and ours, by which a call is known.

All faces take the same. Ours tells when it was made, so that whoever reads its answer again reads the same
time in it.
"""

import re
import secrets
import time

_FIT = re.compile(r"[!-~]{1,128}")


def request_id_of(given: str | None) -> str:
    """What the client calls its request, if that can stand in a header again; else a new name."""
    if given is not None and _FIT.fullmatch(given):
        return given
    return f"req_{secrets.token_hex(12)}"


def new_call_id(prefix: str) -> str:
    return f"{prefix}{int(time.time()):08x}{secrets.token_hex(10)}"


def time_of(call_id: str, prefix: str) -> int:
    """Of an id that `new_call_id` made: Unix time."""
    return int(call_id[len(prefix) : len(prefix) + 8], 16)
