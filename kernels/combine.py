"""Combine: the sum of a token's expert rows, in slot order, in float32.

The fixed order makes the sum the same to the last bit however the experts were spread over workers.
"""

from torch import Tensor


def combine(rows: Tensor) -> Tensor:
    """rows: [tokens, top_k, hidden] -> [tokens, hidden] in the rows' dtype."""
    total = rows[:, 0].float()  # [tokens, hidden]
    for slot in range(1, rows.shape[1]):
        total = total + rows[:, slot].float()
    return total.to(rows.dtype)
