"""Generation of one sequence, token by token: to try a model and to check an engine against.

Not the engine: it serves nobody else meanwhile and knows no stop strings, priorities or deadlines.
"""

import secrets
from collections.abc import Iterator, Sequence

from torch import Tensor

from model.local_model import LocalModel
from model.page_pool import PagePool
from model.pages import SequencePages
from model.sampling.parameters import SamplingParameters
from model.sampling.sampler import Sampler, SamplerRow
from model.sampling.token_counts import TokenCounts
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from protos.errors import InvalidRequestError

PAGE_SIZE = 16
PREFILL_CHUNK = 512


def generate(
    model: LocalModel,
    prompt: Sequence[int],
    parameters: SamplingParameters,
    max_new_tokens: int,
    stop_ids: frozenset[int] = frozenset(),
) -> Iterator[int]:
    """The new tokens one by one, as they are sampled; a stop token is the last one given.

    A request without a seed gets one here, as the gateway will give it one.
    """
    _check_length(model, prompt, max_new_tokens)
    sequence = _Sequence(model, len(prompt) + max_new_tokens)
    sampler = Sampler(model.config.vocab_size)
    counts = TokenCounts(prompt)
    parameters = parameters.with_seed(secrets.randbits(63))
    logits = sequence.prefill(prompt)
    for num_new in range(1, max_new_tokens + 1):
        row = SamplerRow(parameters, sequence.num_tokens, counts)
        (token_id,) = sampler.sample(logits, [row]).token_ids
        yield token_id
        if token_id in stop_ids or num_new == max_new_tokens:
            return
        counts.add(token_id)
        logits = sequence.append(token_id)


def _check_length(model: LocalModel, prompt: Sequence[int], max_new_tokens: int) -> None:
    limit = model.config.max_positions
    if not prompt:
        raise InvalidRequestError("the prompt is empty; it needs at least one token")
    if len(prompt) + max_new_tokens > limit:
        raise InvalidRequestError(
            f"{len(prompt)} prompt tokens and {max_new_tokens} new ones make {len(prompt) + max_new_tokens}; "
            f"the model has {limit} positions, so shorten the prompt or ask for fewer"
        )
    for index, token_id in enumerate(prompt):
        if not 0 <= token_id < model.config.vocab_size:
            raise InvalidRequestError(
                f"prompt token {index} is {token_id}; the vocabulary has the tokens 0 to "
                f"{model.config.vocab_size - 1}"
            )


class _Sequence:
    """A sequence with a cache of its own, just large enough for it."""

    def __init__(self, model: LocalModel, max_tokens: int) -> None:
        num_pages = 2 * -(-max_tokens // PAGE_SIZE)
        self._model = model
        self._cache = model.allocate_cache(num_pages, PAGE_SIZE)
        self._pages = SequencePages(PagePool(num_pages), PAGE_SIZE, model.config.sliding_window)
        self.num_tokens = 0

    def prefill(self, prompt: Sequence[int]) -> Tensor:
        """-> logits after the prompt's last token, [1, vocab]"""
        last_start = (len(prompt) - 1) // PREFILL_CHUNK * PREFILL_CHUNK
        for start in range(0, last_start, PREFILL_CHUNK):
            self._run(prompt[start : start + PREFILL_CHUNK], LogitsWanted.NONE)
        return self._run(prompt[last_start:], LogitsWanted.LAST)

    def append(self, token_id: int) -> Tensor:
        """-> logits after this token, [1, vocab]"""
        return self._run([token_id], LogitsWanted.LAST)

    def _run(self, token_ids: Sequence[int], wanted: LogitsWanted) -> Tensor:
        first_position = self.num_tokens
        self.num_tokens += len(token_ids)
        self._pages.make_room(self.num_tokens)
        batch = StepBatch.build(
            [SequenceChunk(token_ids, first_position, self._pages, wanted)], self._cache.keys.device
        )
        logits = self._model.forward_pass.forward(batch, self._cache)
        self._pages.release_behind(self.num_tokens)
        return logits
