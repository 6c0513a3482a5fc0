"""The experts of a mesh, as the forward pass sees them: rows out to the workers, their rows summed.

With CombineMode.EXACT the sum is slot by slot, as in one process, so its bits do not depend on who computed
what or how often it had to be sent. Not here: who is asked, and what happens when workers fail
(`router.exchange`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kernels.combine import RowPiece, combine_pieces
from kernels.route import Routing
from router.dispatch_frames import CombineMode
from router.dispatch_plan import Integers
from router.errand import Finished
from router.exchange import Exchange
from router.freight import Freight, HostedExperts, on_host
from router.rows import RowFormat, exact_format, exact_rows, unpack_rows


@dataclass(frozen=True, slots=True)
class RemoteExpertsSettings:
    """How rows travel."""

    combine: CombineMode = CombineMode.EXACT
    mxfp8: bool = False  # half the bytes of bfloat16, and fewer bits
    max_frame_bytes: int = 64 << 20


class RemoteExperts:
    """An `Experts` for `model.gpt_oss`. Called by the thread that computes."""

    def __init__(
        self,
        exchange: Exchange,
        source: str,
        settings: RemoteExpertsSettings,
        hosted: HostedExperts | None = None,
    ) -> None:
        self._exchange = exchange
        self._source = source
        self._settings = settings
        self._hosted = hosted

    def __call__(self, layer: int, x: Tensor, routing: Routing) -> Tensor:
        settings = self._settings
        row_format = RowFormat.MXFP8 if settings.mxfp8 else exact_format(x.dtype)
        expert_ids: Integers = on_host(routing.expert_ids).numpy()
        most = min(settings.max_frame_bytes, self._exchange.settings.max_frame_bytes)
        freight = Freight(
            self._source,
            layer,
            x,
            x.shape[1],
            on_host(routing.weights),
            settings.combine,
            row_format,
            self._hosted,
            most,
        )
        finished = self._exchange.run(layer, expert_ids, freight)
        if settings.combine is CombineMode.EXACT:
            return _sum_exactly(finished, x, expert_ids.shape[1], freight.total)
        return _sum_partial_sums(finished, x)


def _sum_exactly(finished: Sequence[Finished], x: Tensor, top_k: int, total: Tensor | None) -> Tensor:
    num_tokens, hidden = x.shape
    pieces = [
        RowPiece(
            share.slots,
            exact_rows(reply.row_sections, reply.row_format, share.num_assignments, hidden, x.dtype),
            None if reply.row_format is RowFormat.MXFP8 else reply.address,
        )
        for share, reply in finished
    ]
    total = combine_pieces(pieces, (num_tokens, top_k, hidden), x.dtype, total=total)
    return total if x.is_cpu else total.to(x.device)


def _sum_partial_sums(finished: Sequence[Finished], x: Tensor) -> Tensor:
    total = torch.zeros(x.shape, dtype=torch.float32)  # [tokens, hidden]
    for share, reply in finished:
        tokens = torch.from_numpy(share.tokens)
        rows = unpack_rows(reply.row_sections, reply.row_format, len(tokens), x.shape[1], x.dtype)
        total.index_add_(0, tokens, rows.float())
    return total.to(x.device, x.dtype)
