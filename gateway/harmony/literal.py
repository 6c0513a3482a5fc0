"""A JSON value on one line, as the format writes it: compact, Unicode as it is, numbers shortest.

The standard library writes some numbers in another way (1e+16), and tokens would differ. Not here: where such
values stand (`signature`, `developer_message`).
"""

import json
from collections.abc import Mapping

_LARGEST_INTEGER = 2**64 - 1
_SMALLEST_INTEGER = -(2**63)
"""Beyond these an integer is written as the floating-point number next to it."""

_SMALLEST_PLAIN = 1e-5
"""Python writes numbers below 1e-4 with an exponent, the format those below 1e-5."""


def literal(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{literal(str(key))}:{literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(literal, value)) + "]"
    if isinstance(value, float):
        return _real(value)
    if isinstance(value, int) and not _SMALLEST_INTEGER <= value <= _LARGEST_INTEGER:
        return _real(float(value))
    return json.dumps(value, ensure_ascii=False)


def _real(value: float) -> str:
    mantissa, marker, exponent = repr(value).partition("e")
    if not marker:
        return mantissa
    if abs(value) >= _SMALLEST_PLAIN and int(exponent) < 0:
        sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
        return f"{sign}0.{'0' * (-int(exponent) - 1)}{digits.replace('.', '')}"
    return f"{mantissa}e{int(exponent)}"
