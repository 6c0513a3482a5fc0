"""JSON as this face writes it: short, UTF-8, and in one line for whoever splits lines, however they do it."""

import json

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
"""That JSON leaves as they are, and that some clients split an event stream at."""


def json_text(value: object) -> str:
    text = _ENCODER.encode(value)
    return text if text.isascii() else text.translate(_LINE_ENDS)


def json_bytes(value: object) -> bytes:
    return json_text(value).encode()
