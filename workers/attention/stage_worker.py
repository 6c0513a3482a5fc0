"""A stage: the attention layers behind those of an attention worker, with their share of the cache.

It has no scheduler and no sampler: one attention worker sends steps, and it answers with hidden states. Pages
are numbered by that worker, and no other one is served, so a step holds its turn while it waits for experts:
the next one needs what comes of it. A plain class; gRPC around it is `workers.attention.stage_service`.
"""

import secrets
import threading
from dataclasses import dataclass

import torch

from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from model.config import ModelConfig
from model.determinism import row_tile_holds
from model.experts import Experts
from model.gpt_oss import GptOss
from model.kv_cache import KvCache
from model.weights import ModelWeights
from protos.errors import ConfigError, StageLostError
from router.dispatch_frames import Hello
from router.frame import Frame
from workers.attention.stage_frames import Hidden, StageStep
from workers.attention.stage_limits import StageLimits
from workers.cache.cached_pages import CacheLayout
from workers.cache.page_budget import StepSize, bytes_of_page, num_pages_for
from workers.cache.sizing import free_bytes, share_of

_CREDITS = 1
_LARGEST_SESSION = 1 << 53


@dataclass(frozen=True, slots=True)
class StageSettings:
    """What a stage is told when it is made."""

    name: str
    model: str  # the model's fingerprint
    dtype: torch.dtype
    cache_bytes: int | None = None  # for keys and values; None: what the machine allows
    max_frame_bytes: int = 64 << 20
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS


@dataclass(frozen=True, slots=True)
class _Session:
    """One attention worker's use of this stage."""

    number: int
    forward_pass: GptOss
    cache: KvCache
    limits: StageLimits


class StageWorker:
    """A `FrameHandler`. `experts` runs on the streams' threads, one step at a time."""

    def __init__(
        self, settings: StageSettings, config: ModelConfig, weights: ModelWeights, experts: Experts
    ) -> None:
        self.settings = settings
        self.config = config
        self.weights = weights
        self._experts = experts
        self._session: _Session | None = None
        self._turn = threading.Lock()

    @property
    def layers(self) -> range:
        """Contiguous."""
        layers = sorted(self.weights.attention)
        return range(layers[0], layers[-1] + 1)

    def most_pages(self, layout: CacheLayout, tokens_per_step: int, max_running: int) -> int:
        """That there is room for here."""
        made, device = self.settings, self.weights.device
        step = StepSize(tokens_per_step, num_logits=0)
        given = made.cache_bytes
        return num_pages_for(
            self.config,
            layout,
            free_bytes=free_bytes(device) if given is None else given + step.num_bytes(self.config),
            bytes_per_page=bytes_of_page(self.config, layout.page_size, made.dtype.itemsize, self.layers),
            step=step,
            max_running=max_running,
            share=share_of(device) if given is None else 1.0,
        )

    def open(self, num_pages: int, page_size: int, row_tile: int | None) -> int:
        """-> the number of the session, which alone is served from now on."""
        dtype = self.settings.dtype
        if row_tile is not None and not row_tile_holds(row_tile, self.config, self.weights):
            raise ConfigError(
                f"stage {self.settings.name}: rows differ in tiles of {row_tile} here, which the attention "
                f"worker has found to hold; deterministic mode needs stages on machines of one kind"
            )
        with self._turn:
            self._session = None  # gives its memory back first
            cache = KvCache.allocate(
                self.config,
                num_pages=num_pages,
                page_size=page_size,
                dtype=dtype,
                device=self.weights.device,
                layers=self.layers,
            )
            number = secrets.randbelow(_LARGEST_SESSION)
            kernels = self.settings.cpu_kernels
            forward_pass = GptOss(self.config, self.weights, self._experts, row_tile, kernels)
            limits = StageLimits(self.config, dtype, num_pages, page_size)
            self._session = _Session(number, forward_pass, cache, limits)
        return number

    def hello(self) -> Hello:
        made = self.settings
        return Hello(made.name, made.model, "stage", 0, _CREDITS, made.max_frame_bytes)

    @torch.inference_mode()
    def answer(self, frame: Frame) -> bytes:
        step = StageStep.of(frame)
        with self._turn:
            session = self._session
            if session is None or session.number != step.session:
                raise StageLostError(f"stage {self.settings.name} does not know session {step.session}")
            session.limits.check(step)
            step = step.on(self.weights.device)
            hidden = session.forward_pass.run_layers(step.hidden, self.layers, step.batch, session.cache)
        return Hidden(step.number, hidden).encode()
