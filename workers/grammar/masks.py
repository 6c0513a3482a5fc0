"""Computes which tokens the grammars of a step's rows allow, in the background, while the forward pass runs.

Not here: tensors (`mask_tensor` unpacks what this fills) and which requests have grammars (the engine knows).
The work is llguidance's and runs without the interpreter's lock.

A row has `vocab_size` bits, and one more for the end of the grammar, in 32-bit words: the lowest bit first.
"""

from array import array
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from llguidance import LLExecutor

from protos.errors import InvalidGrammarError
from workers.grammar.state import GrammarState, first_stop

_WORD_BITS = 32


@dataclass(frozen=True, slots=True)
class MaskRequest:
    """One sequence's 1 + len(drafts) rows: what may stand in the place of each draft, and behind the last."""

    state: GrammarState
    drafts: Sequence[int] = ()

    @property
    def num_rows(self) -> int:
        return 1 + len(self.drafts)


@dataclass(frozen=True, slots=True)
class FilledMasks:
    """Rows in the order of the requests. One behind a draft that is refused or stops allows the stop tokens.

    `failures` has, by the index of the request, those whose grammar grew beyond a limit; their rows allow the
    stop tokens, and the engine ends them with that error.
    """

    words: "array[int]"  # [rows, words_per_row(vocab_size)]
    num_rows: int
    failures: Mapping[int, InvalidGrammarError]


class PendingMasks:
    def __init__(self, filled: "Future[FilledMasks]") -> None:
        self._filled = filled

    def wait(self) -> FilledMasks:
        return self._filled.result()


class MaskFiller:
    """One fill at a time runs, on up to `num_threads` threads."""

    def __init__(self, num_threads: int) -> None:
        self._executor = LLExecutor(num_threads)
        self._background = ThreadPoolExecutor(1, thread_name_prefix="grammar-masks")

    def fill(self, requests: Sequence[MaskRequest]) -> PendingMasks:
        """Until `wait` returns, the states belong to the filler; each may stand in one request only."""
        assert len({id(request.state) for request in requests}) == len(requests), "a state stands here twice"
        return PendingMasks(self._background.submit(_fill, self._executor, tuple(requests)))

    def close(self) -> None:
        self._background.shutdown()


def words_per_row(vocab_size: int) -> int:
    return vocab_size // _WORD_BITS + 1


def _fill(executor: LLExecutor, requests: Sequence[MaskRequest]) -> FilledMasks:
    num_rows = sum(request.num_rows for request in requests)
    if not requests:
        return FilledMasks(array("I"), 0, {})
    vocab_size, stop_ids = requests[0].state.vocab_size, requests[0].state.stop_ids
    stop_row = _row_of(vocab_size, stop_ids)
    words = stop_row * num_rows
    _compute(executor, requests, words, len(stop_row), num_rows)
    end_word, end_bit = vocab_size // _WORD_BITS, 1 << vocab_size % _WORD_BITS
    for start in range(0, len(words), len(stop_row)):
        if words[start + end_word] & end_bit:
            for token_id in stop_ids:
                words[start + token_id // _WORD_BITS] |= 1 << token_id % _WORD_BITS
    failures = {index: request.state.failure() for index, request in enumerate(requests)}
    return FilledMasks(words, num_rows, {index: each for index, each in failures.items() if each})


def _row_of(vocab_size: int, token_ids: frozenset[int]) -> "array[int]":
    row = array("I", bytes(4 * words_per_row(vocab_size)))
    assert row.itemsize * 8 == _WORD_BITS
    for token_id in token_ids:
        row[token_id // _WORD_BITS] |= 1 << token_id % _WORD_BITS
    return row


def _compute(
    executor: LLExecutor, requests: Sequence[MaskRequest], words: "array[int]", row_words: int, num_rows: int
) -> None:
    """Fills the rows that llguidance knows: up to the first draft that is refused or stops."""
    plain, drafted = [], []
    row = 0
    for request in requests:
        drafts = list(request.drafts[: first_stop(request.drafts, request.state.stop_ids)])
        if request.state.has_ended:
            pass
        elif drafts:
            drafted.append((request.state.matcher, row, drafts))
        else:
            plain.append((request.state.matcher, row))
        row += request.num_rows
    address, _ = words.buffer_info()
    if plain:
        executor.unsafe_compute_mask_ptr(plain, address, row_words * 4, num_rows)
    if drafted:
        executor.unsafe_compute_mask_ptr_with_draft_token(drafted, address, row_words * 4, num_rows)
