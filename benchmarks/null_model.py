"""An engine whose model answers at once, to see what the engine itself costs.

Everything on the host is real (scheduler, pages, prefix index, the tensors of a step, rules, text, events);
the forward pass gives back logits that are there already, and the sampler tokens that depend on the position.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from model.config import GPT_OSS_20B, ModelConfig
from model.kv_cache import KvCache
from model.sampling.sampled_tokens import SampledTokens
from model.sampling.sampler import Sampler, SamplerRow
from model.step_batch import StepBatch
from model.tokenizer import Tokenizer
from model.tokenizer.byte_tokenizer import write_byte_tokenizer
from workers.cache.cached_pages import CacheLayout
from workers.cache.page_budget import context_limit
from workers.engine.admission import Admission
from workers.engine.core import EngineCore
from workers.engine.local_step_model import LocalStepModel
from workers.engine.settings import EngineSettings

VOCAB_SIZE = 300
CONFIG: ModelConfig = replace(GPT_OSS_20B, vocab_size=VOCAB_SIZE)


class NullForwardPass:
    """Logits that were there before the step began."""

    def __init__(self, max_rows: int) -> None:
        self._logits = torch.zeros(max_rows, VOCAB_SIZE)

    def forward(self, batch: StepBatch, cache: KvCache) -> Tensor:  # noqa: ARG002 - a protocol
        return self._logits[: len(batch.logit_rows)]


class NullSampler(Sampler):
    """A letter for each row: ordinary text, so that the engine does what it does for text."""

    def sample(
        self,
        logits: Tensor,  # noqa: ARG002
        rows: Sequence[SamplerRow],
        allowed: Tensor | None = None,  # noqa: ARG002
    ) -> SampledTokens:
        return SampledTokens(tuple([65 + row.position % 26 for row in rows]), (None,) * len(rows))


def byte_tokenizer() -> Tokenizer:
    with tempfile.TemporaryDirectory(prefix="expertmesh-null-") as name:
        write_byte_tokenizer(Path(name), VOCAB_SIZE)
        return Tokenizer.open(Path(name), VOCAB_SIZE)


def null_engine(
    settings: EngineSettings, num_pages: int, clock: Callable[[], float]
) -> tuple[EngineCore, Admission]:
    layout = CacheLayout(settings.page_size, CONFIG.sliding_window, settings.checkpoint_interval)
    limit = context_limit(CONFIG.max_positions, num_pages, layout, settings.tokens_per_step)
    admission = Admission(CONFIG, byte_tokenizer(), layout, limit)
    nothing = torch.zeros(0, num_pages, settings.page_size, 0, 0)
    model = LocalStepModel(
        NullForwardPass(settings.tokens_per_step), KvCache(nothing, nothing, {}), NullSampler(VOCAB_SIZE)
    )
    return EngineCore(model, admission, layout, num_pages, settings, clock=clock), admission
