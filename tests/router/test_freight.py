"""A dispatch that is packed at once is, byte for byte, the one that its definition gives."""

import numpy as np
import pytest
import torch

from kernels.cpu.settings import CpuPath
from protos.errors import MalformedFrameError
from router.dispatch_frames import CombineMode, Dispatch, Reply
from router.dispatch_plan import Share, everything_to, plan_dispatch
from router.frame import decode
from router.freight import Freight
from router.rows import RowFormat, exact_format, pack_rows, unpack_rows
from tests.kernels.cpu.paths import kernels_or_skip

TOKENS, TOP_K, HIDDEN, EXPERTS = 7, 3, 37, 11
MAX_BYTES = 1 << 20


def freight(x: torch.Tensor, mode: CombineMode = CombineMode.EXACT) -> Freight:
    weights = torch.rand(len(x), TOP_K)
    return Freight("attention-0", 5, x, HIDDEN, weights, mode, exact_format(x.dtype), None, MAX_BYTES)


def shares() -> list[Share]:
    """Of three workers, and of one that hosts all."""
    ids = np.stack([np.random.default_rng(token).permutation(EXPERTS)[:TOP_K] for token in range(TOKENS)])
    return [*plan_dispatch(ids, np.arange(EXPERTS) % 3), *everything_to(0, ids)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("mode", list(CombineMode))
def test_both_ways_of_packing_give_the_same_bytes(dtype: torch.dtype, mode: CombineMode) -> None:
    kernels_or_skip(CpuPath.FASTEST)
    packed = freight(torch.randn(TOKENS, HIDDEN).to(dtype), mode)
    for share in shares():
        assert packed.pack(share, 2**40, 9) == packed.pack_reference(share, 2**40, 9)


def test_rows_that_do_not_lie_side_by_side_travel_as_they_are() -> None:
    x = torch.randn(HIDDEN, TOKENS).t()
    packed = freight(x)
    for share in shares():
        found = Dispatch.of(decode(packed.pack(share, 1, 1), MAX_BYTES))
        rows = unpack_rows(
            found.row_sections, RowFormat.FLOAT32, found.num_rows, HIDDEN, torch.float32
        )  # [rows, hidden]
        assert torch.equal(rows, x[share.tokens.tolist()])
        assert found.experts.tolist() == share.experts.tolist()
        assert found.weights.tolist() == packed.weights.flatten()[share.slots.tolist()].tolist()


def test_a_reply_with_other_rows_than_were_wanted_is_refused() -> None:
    packed, share = freight(torch.randn(TOKENS, HIDDEN)), shares()[0]
    rows = torch.randn(share.num_assignments, HIDDEN)
    packed.check(share, Reply(1, 0, RowFormat.FLOAT32, pack_rows(rows, RowFormat.FLOAT32)))
    with pytest.raises(MalformedFrameError, match="FLOAT32 is wanted"):
        packed.check(share, Reply(1, 0, RowFormat.BFLOAT16, pack_rows(rows.bfloat16(), RowFormat.BFLOAT16)))
    with pytest.raises(MalformedFrameError, match="sections of"):
        packed.check(share, Reply(1, 0, RowFormat.FLOAT32, pack_rows(rows[1:], RowFormat.FLOAT32)))
