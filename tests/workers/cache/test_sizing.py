"""Free memory of a device, and the cache's share of it."""

import torch

from workers.cache.page_budget import CPU_SHARE
from workers.cache.sizing import free_bytes, share_of


def test_this_machine_says_something() -> None:
    cpu = torch.device("cpu")
    assert free_bytes(cpu) > 1 << 20
    assert share_of(cpu) == CPU_SHARE
