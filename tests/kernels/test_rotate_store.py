"""What stands between the matmul and attention: which columns are what, where they go, that they turn."""

import torch

from kernels.paging import PagedKeysValues
from kernels.rope import RotaryTable, rotate
from kernels.rotate_store import rotate_and_store

HEADS, KV_HEADS, HEAD_DIM = 6, 2, 10


def test_columns_and_slots() -> None:
    qkv = torch.randn(3, (HEADS + 2 * KV_HEADS) * HEAD_DIM)
    angle = torch.rand(9, HEAD_DIM // 2) * 6
    table = RotaryTable(angle.cos(), angle.sin())
    positions, slots = torch.tensor([8, 0, 5]), torch.tensor([11, 2, 7])
    shape = (4, 3, KV_HEADS, HEAD_DIM)
    cache = PagedKeysValues(torch.full(shape, torch.nan), torch.full(shape, torch.nan))
    query = rotate_and_store(qkv, table, positions, cache, slots)

    width = KV_HEADS * HEAD_DIM
    queries, keys, values = torch.split(qkv, [HEADS * HEAD_DIM, width, width], dim=1)
    assert torch.equal(query, rotate(queries.reshape(3, HEADS, HEAD_DIM), table, positions))
    stored_keys, stored_values = cache.keys.flatten(0, 1), cache.values.flatten(0, 1)
    assert torch.equal(stored_keys[slots], rotate(keys.reshape(3, KV_HEADS, HEAD_DIM), table, positions))
    assert torch.equal(stored_values[slots].flatten(1), values)
    others = [slot for slot in range(12) if slot not in slots.tolist()]
    assert stored_keys[others].isnan().all()
    assert stored_values[others].isnan().all()
