"""Between the query-key-value matmul and attention: rotate queries and keys, store keys and values.

    qkv row = queries of all heads, then keys, then values of all KV heads      rotation: kernels/rope.py

Reads and writes qkv once: 2 · tokens · (heads + 2 · kv_heads) · head_dim values.
"""

import torch
from torch import Tensor

from kernels.cpu.row_kernels import row_kernels_for
from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from kernels.device import takes_gpu_kernels
from kernels.paging import PagedKeysValues, write_keys_values
from kernels.rope import RotaryTable, rotate


def rotate_and_store(
    qkv: Tensor,
    table: RotaryTable,
    positions: Tensor,
    cache: PagedKeysValues,
    slots: Tensor,
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS,
) -> Tensor:
    """qkv: [tokens, (heads + 2 * kv_heads) * head_dim] -> rotated queries [tokens, heads, head_dim].

    positions: [tokens]; slots: [tokens] = page · page_size + offset, where keys and values go.
    """
    if takes_gpu_kernels(qkv):
        from kernels.gpu import rotate_store

        return rotate_store.rotate_and_store(qkv, table, positions, cache, slots)
    kernels = row_kernels_for(cpu_kernels, qkv, table.cos, table.sin, cache.keys, cache.values)
    if kernels is not None and qkv.dtype == cache.keys.dtype == cache.values.dtype:
        return kernels.rotate_and_store(qkv, table, positions, cache, slots)
    return rotate_and_store_reference(qkv, table, positions, cache, slots)


def rotate_and_store_reference(
    qkv: Tensor, table: RotaryTable, positions: Tensor, cache: PagedKeysValues, slots: Tensor
) -> Tensor:
    """The definition, on every device."""
    num_kv_heads, head_dim = cache.keys.shape[2:]
    heads = qkv.view(len(qkv), -1, head_dim)  # [tokens, heads + 2 * kv_heads, head_dim]
    num_heads = heads.shape[1] - 2 * num_kv_heads
    query, keys, values = torch.split(heads, [num_heads, num_kv_heads, num_kv_heads], dim=1)
    write_keys_values(cache, rotate(keys, table, positions), values, slots)
    return rotate(query, table, positions)
