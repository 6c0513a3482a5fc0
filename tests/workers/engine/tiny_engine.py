"""An engine core over a real, tiny gpt-oss in deterministic mode, every page that holds nothing poisoned."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from model.checkpoint import write_checkpoint
from model.config import ModelConfig
from model.dummy import dummy_weights
from model.generate import generate
from model.kv_cache import KvCache
from model.local_model import LocalModel
from model.page_pool import PagePool
from model.sampling.sampled_tokens import PositionLogprobs
from model.sampling.sampler import Sampler
from model.step_batch import StepBatch
from model.tokenizer import Tokenizer
from model.tokenizer.byte_tokenizer import write_byte_tokenizer
from tests.model.runner import load_float32
from tests.model.tiny_model import TINY
from workers.cache.cached_pages import CacheLayout
from workers.cache.page_budget import context_limit
from workers.engine.admission import Admission
from workers.engine.core import EngineCore
from workers.engine.drafting import LookupDrafter
from workers.engine.events import ChoiceDelta, Event, PromptEcho, RequestEnded
from workers.engine.local_step_model import LocalStepModel
from workers.engine.request import GenerationRequest
from workers.engine.settings import DraftSettings, EngineSettings

SPOKEN = replace(TINY, vocab_size=293, max_positions=2048, hidden_size=128)
"""Large enough for bytes and harmony's marks, and wide enough for compact matrices."""


def write_spoken_model(folder: Path, config: ModelConfig = SPOKEN) -> None:
    write_checkpoint(config, dummy_weights(config, 5), folder)
    write_byte_tokenizer(folder, config.vocab_size)


def load_deterministic(folder: Path) -> LocalModel:
    return LocalModel.of(*load_float32(folder), deterministic=True)


def tokens(count: int, seed: int) -> tuple[int, ...]:
    """Random bytes."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, 256, (count,), generator=generator).tolist())


def alone(model: LocalModel, request: GenerationRequest) -> list[int]:
    """What the request gets from `model.generate`, which serves one sequence at a time."""
    assert request.max_tokens is not None
    return list(generate(model, request.prompt, request.sampling, request.max_tokens))


class PoisonedPass:
    """A forward pass before which every blank page becomes NaN."""

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        self.pool: PagePool | None = None
        self.num_tokens: list[int] = []

    def forward(self, batch: StepBatch, cache: KvCache) -> Tensor:
        assert self.pool is not None
        blank = torch.tensor(self.pool.blank_pages, dtype=torch.int64)
        cache.keys[:, blank] = torch.nan
        cache.values[:, blank] = torch.nan
        self.num_tokens.append(len(batch.token_ids))
        return self.model.forward_pass.forward(batch, cache)


@dataclass(slots=True)
class Told:
    """What one request has been told, in full."""

    outputs: list[list[int]]
    texts: list[str]
    logprobs: list[list[PositionLogprobs]]
    reasons: list[str | None]
    stopped_by: list[str | int | None]
    echo: PromptEcho | None = None
    end: RequestEnded | None = None

    @classmethod
    def of(cls, count: int) -> "Told":
        nothing: list[None] = [None] * count
        return cls([[] for _ in nothing], [""] * count, [[] for _ in nothing], [*nothing], [*nothing])


class TinyEngine:
    """Requests in, everything that they are told out."""

    def __init__(
        self,
        model: LocalModel,
        tokenizer: Tokenizer | None = None,
        *,
        num_pages: int = 400,
        page_size: int = 16,
        tokens_per_step: int = 64,
        max_running: int = 8,
        checkpoint_interval: int = 2048,
        drafts: DraftSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        settings = EngineSettings(
            max_running=max_running,
            tokens_per_step=tokens_per_step,
            page_size=page_size,
            checkpoint_interval=checkpoint_interval,
            drafts=drafts,
        )
        config = model.config
        layout = CacheLayout(page_size, config.sliding_window, checkpoint_interval)
        limit = context_limit(config.max_positions, num_pages, layout, tokens_per_step)
        self.admission = Admission(config, tokenizer, layout, limit)
        self.forward_pass = PoisonedPass(model)
        cache = model.allocate_cache(num_pages, page_size)
        self.core = EngineCore(
            LocalStepModel(self.forward_pass, cache, Sampler(config.vocab_size)),
            self.admission,
            layout,
            num_pages,
            settings,
            clock=clock,
            drafter=LookupDrafter(drafts) if drafts else None,
        )
        self.forward_pass.pool = self.core.pool
        self.told: dict[str, Told] = {}

    def submit(self, request: GenerationRequest) -> None:
        count = request.num_choices
        self.told[request.request_id] = Told.of(count)
        self.core.add(self.admission.admit(request), time.monotonic())

    def step(self) -> None:
        self.listen(self.core.step())

    def run(self, *requests: GenerationRequest) -> list[Told]:
        """These and whatever else is there, to the end."""
        for request in requests:
            self.submit(request)
        for _ in range(5000):
            if not self.core.has_work:
                return [self.told[request.request_id] for request in requests]
            self.step()
        raise AssertionError("not done after 5000 steps")

    def listen(self, events: list[Event]) -> None:
        for event in events:
            told = self.told[event.request_id]
            match event:
                case PromptEcho():
                    told.echo = event
                case ChoiceDelta(choice=choice):
                    told.outputs[choice] += event.token_ids
                    told.texts[choice] += event.text
                    told.logprobs[choice] += event.logprobs
                    told.reasons[choice] = event.finish
                    told.stopped_by[choice] = event.stopped_by
                case RequestEnded():
                    assert told.end is None
                    told.end = event

    def close(self) -> None:
        self.core.close()
