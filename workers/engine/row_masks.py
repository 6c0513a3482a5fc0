"""Which tokens the rows of a step may become: grammars, tokens that are forced, tokens that are banned.

Most rows may become anything and have no mask at all. Grammars compute theirs in a thread of their own, from
`begin` until `wait`, while the forward pass runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from protos.errors import ExpertMeshError, InvalidGrammarError
from workers.engine.step_work import TokenRules
from workers.grammar.mask_tensor import unpack_masks
from workers.grammar.masks import FilledMasks, MaskFiller, MaskRequest, PendingMasks

_NUM_THREADS = 2
"""For masks, beside the forward pass. Never measured on more than two cores."""


@dataclass(frozen=True, slots=True)
class _Ruled:
    """Consecutive rows of one share, that begin at `row`."""

    row: int
    num_rows: int
    rules: TokenRules
    is_forced: bool


@dataclass(frozen=True, slots=True)
class AllowedTokens:
    """Row numbers of the step, and for each which tokens it may become, or why nobody can say."""

    rows: tuple[int, ...] = ()
    masks: Tensor | None = None  # [rows, vocab] bool; None without rows
    failures: Mapping[int, ExpertMeshError] = field(default_factory=dict)  # by row


class RowMasks:
    """One for an engine, for its thread only."""

    def __init__(self, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        self._filler: MaskFiller | None = None

    def begin(self, rows: Sequence[tuple[TokenRules, tuple[int, ...]]]) -> "PendingRowMasks":
        """For each share that draws its rules and its drafts, which have a row each behind the first."""
        ruled: list[_Ruled] = []
        requests: list[MaskRequest] = []
        row = 0
        for rules, drafts in rows:
            if not rules.are_none:
                is_forced = _is_forced(rules)
                ruled.append(_Ruled(row, 1 + len(drafts), rules, is_forced))
                if rules.grammar is not None and not is_forced:
                    requests.append(MaskRequest(rules.grammar, drafts))
            row += 1 + len(drafts)
        return PendingRowMasks(self._vocab_size, ruled, self._fill(requests))

    def close(self) -> None:
        if self._filler is not None:
            self._filler.close()
            self._filler = None

    def _fill(self, requests: Sequence[MaskRequest]) -> PendingMasks | None:
        if not requests:
            return None
        self._filler = self._filler or MaskFiller(_NUM_THREADS)
        return self._filler.fill(requests)


class PendingRowMasks:
    """Masks that are being computed."""

    def __init__(self, vocab_size: int, ruled: Sequence[_Ruled], pending: PendingMasks | None) -> None:
        self._vocab_size = vocab_size
        self._ruled = ruled
        self._pending = pending

    def wait(self, device: torch.device) -> AllowedTokens:
        if not self._ruled:
            return AllowedTokens()
        rows = tuple(each.row + index for each in self._ruled for index in range(each.num_rows))
        masks = torch.ones(len(rows), self._vocab_size, dtype=torch.bool, device=device)
        failures: dict[int, ExpertMeshError] = {}
        grammars = None
        if self._pending is not None:
            grammars = _GrammarMasks(self._pending.wait(), self._vocab_size, device)
        start = 0
        for each in self._ruled:
            mask = masks[start : start + each.num_rows]  # [1 + drafts, vocab]
            start += each.num_rows
            if each.is_forced:
                mask.fill_(False)
                mask[:, each.rules.forced] = True
            elif grammars is not None and each.rules.grammar is not None:
                failure = grammars.next_into(mask)
                if failure is not None:
                    failures |= dict.fromkeys(range(each.row, each.row + each.num_rows), failure)
            _ban(mask, each.rules)
        return AllowedTokens(rows, masks, failures)


class _GrammarMasks:
    """What the grammars of a step allow, one after the other."""

    def __init__(self, filled: FilledMasks, vocab_size: int, device: torch.device) -> None:
        self._failures = filled.failures
        self._masks = unpack_masks(filled.words, filled.num_rows, vocab_size, device)  # [rows, vocab]
        self._num_grammars = self._num_rows = 0

    def next_into(self, mask: Tensor) -> ExpertMeshError | None:
        """mask: [rows of the next grammar, vocab], is written; -> what went wrong with this grammar."""
        stop = self._num_rows + len(mask)
        mask.copy_(self._masks[self._num_rows : stop])
        self._num_rows, self._num_grammars = stop, self._num_grammars + 1
        return self._failures.get(self._num_grammars - 1)


def _is_forced(rules: TokenRules) -> bool:
    """A grammar that does not allow the token now is asked again for the next one."""
    if rules.forced is None:
        return False
    try:
        return rules.grammar is None or rules.grammar.valid_prefix((rules.forced,)) == 1
    except InvalidGrammarError:
        return False  # the grammar's mask will say so too


def _ban(mask: Tensor, rules: TokenRules) -> None:
    """Where a grammar allows nothing else, min_tokens yields."""
    if not rules.banned:
        return
    banned = list(rules.banned)
    kept = mask[:, banned].clone()  # [rows, banned]
    mask[:, banned] = False
    if rules.grammar is not None or rules.forced is not None:
        empty = ~mask.any(dim=1, keepdim=True)  # [rows, 1]
        mask[:, banned] = kept & empty
