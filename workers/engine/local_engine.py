"""Puts an engine together on a model of this process: what single mode serves and offline batches run on.

Not here: any work of its own.
"""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch

from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from model.checkpoint import Checkpoint
from model.checkpoint.progress import ProgressBar
from model.config import ModelConfig
from model.decode_graphs import DecodeGraphs, GpuRecorder
from model.experts import Experts
from model.gpu_experts import gpu_kernels_take
from model.local_model import LocalModel
from model.sampling.sampler import Sampler
from model.tokenizer.tokenizer import Tokenizer
from model.tokenizer.vocabulary_file import TOKENIZER_NAME
from model.weights import Selection
from workers.cache.cached_pages import CacheLayout
from workers.cache.page_budget import StepSize, bytes_of_page, context_limit, num_pages_for
from workers.cache.sizing import free_bytes, share_of
from workers.engine.admission import Admission
from workers.engine.core import EngineCore
from workers.engine.door import Deliver
from workers.engine.drafting import LookupDrafter
from workers.engine.engine import Engine
from workers.engine.local_step_model import ForwardPass, LocalStepModel
from workers.engine.settings import EngineSettings


@dataclass(frozen=True, slots=True)
class LocalEngineOptions:
    """What an operator may want otherwise; None is a choice made from the machine."""

    settings: EngineSettings = field(default_factory=EngineSettings)
    device: str = "cpu"
    dtype: torch.dtype | None = None  # float32 on a CPU, bfloat16 on a GPU
    deterministic: bool = False
    cache_bytes: int | None = None  # for keys and values
    context_limit: int | None = None  # lower than the model's own
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS

    @property
    def activations(self) -> torch.dtype:
        """The dtype that was decided on."""
        return self.dtype or (torch.bfloat16 if self.device.startswith("cuda") else torch.float32)


def load_model(
    folder: Path,
    options: LocalEngineOptions,
    *,
    experts: Experts | None = None,
    first_layers: int | None = None,
) -> LocalModel:
    """The whole model, or without its experts, or its first layers; with a progress bar on a terminal."""
    checkpoint = Checkpoint.open(folder)
    config = checkpoint.config
    if options.context_limit is not None:
        config = replace(config, max_positions=min(config.max_positions, options.context_limit))
    selection = Selection.whole(config)
    if first_layers is not None:
        selection = replace(selection, attention_layers=tuple(range(first_layers)))
    if experts is not None:
        selection = replace(selection, layer_to_experts={})
    with ProgressBar("load", checkpoint.num_bytes(selection)) as progress:
        weights = checkpoint.load(
            selection, progress=progress, device=options.device, dtype=options.activations
        )
    return LocalModel.of(
        config,
        weights,
        deterministic=options.deterministic,
        cpu_kernels=options.cpu_kernels,
        experts=experts,
        arrange=experts is None
        and gpu_kernels_take(options.device, options.activations, deterministic=options.deterministic),
        compact=True,
    )


def open_tokenizer(folder: Path, config: ModelConfig) -> Tokenizer | None:
    """None for a folder without one: then prompts are token ids, and text comes out of nothing."""
    if not (folder / TOKENIZER_NAME).exists():
        return None
    return Tokenizer.open(folder, config.vocab_size)


class LaterLayers(ForwardPass, Protocol):
    """A forward pass that runs the model's own layers here and those behind them elsewhere."""

    def most_pages(self, settings: EngineSettings, layout: CacheLayout) -> int:
        """That there is room for elsewhere."""
        ...

    def open(self, num_pages: int, page_size: int, row_tile: int | None) -> None:
        """Take the memory for their cache."""
        ...


def local_engine(
    model: LocalModel,
    tokenizer: Tokenizer | None,
    options: LocalEngineOptions,
    deliver: Deliver,
    later: LaterLayers | None = None,
) -> Engine:
    """Takes the memory for the cache. The engine is not started yet."""
    settings, config = options.settings, model.config
    layout = CacheLayout(settings.page_size, config.sliding_window, settings.checkpoint_interval)
    num_pages = _num_pages(model, layout, options)
    if later is not None:
        num_pages = min(num_pages, later.most_pages(settings, layout))
        later.open(num_pages, settings.page_size, model.row_tile)
    limit = context_limit(config.max_positions, num_pages, layout, settings.tokens_per_step)
    admission = Admission(config, tokenizer, layout, limit)
    is_recorded = later is None and model.is_arranged
    cache = model.allocate_cache(num_pages + is_recorded, settings.page_size)  # one for idle sequences
    forward_pass: ForwardPass = later or model.forward_pass
    if is_recorded:
        forward_pass = DecodeGraphs(
            model.forward_pass.forward, GpuRecorder(), settings.max_running, spare_page=num_pages
        )
    core = EngineCore(
        LocalStepModel(forward_pass, cache, Sampler(config.vocab_size)),
        admission,
        layout,
        num_pages,
        settings,
        clock=time.monotonic,
        drafter=None if settings.drafts is None else LookupDrafter(settings.drafts),
    )
    return Engine(core, admission, max_waiting=settings.max_waiting, deliver=deliver)


def _num_pages(model: LocalModel, layout: CacheLayout, options: LocalEngineOptions) -> int:
    settings, config = options.settings, model.config
    step = StepSize(settings.tokens_per_step, settings.most_logits)
    device = torch.device(options.device)
    given = options.cache_bytes
    return num_pages_for(
        config,
        layout,
        free_bytes=free_bytes(device) if given is None else given + step.num_bytes(config),
        bytes_per_page=bytes_of_page(
            config, settings.page_size, model.dtype.itemsize, model.forward_pass.layers
        ),
        step=step,
        max_running=settings.max_running,
        share=share_of(device) if given is None else 1.0,
    )
