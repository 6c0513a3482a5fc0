"""A stage with all that it needs: weights of its layers, an exchange with the expert workers, a server.

It is told the topology by whoever watches the controller. A plain class; Ray around it is `cluster.ray`. Not
here: what a stage does (`stage_worker`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from kernels.cpu.settings import DEFAULT_SETTINGS, CpuKernelSettings
from model.checkpoint import Checkpoint
from model.checkpoint.fingerprint import fingerprint
from model.checkpoint.progress import ProgressBar
from model.compact_weights import compact_weights
from model.cpu_kernels import prepare_cpu_kernels
from model.weights import Selection
from router.channel import TlsFiles
from router.exchange import Exchange, ExchangeSettings
from router.remote_experts import RemoteExperts, RemoteExpertsSettings
from router.topology import Topology
from workers.attention.stage_service import StageServer
from workers.attention.stage_worker import StageSettings, StageWorker


@dataclass(frozen=True, slots=True)
class StageOptions:
    """What a stage is told when it is made."""

    name: str
    layers: Sequence[int]  # contiguous
    device: str = "cpu"
    dtype: torch.dtype = torch.float32
    cache_bytes: int | None = None
    exchange: ExchangeSettings = field(default_factory=ExchangeSettings)
    rows: RemoteExpertsSettings = field(default_factory=RemoteExpertsSettings)
    context_limit: int | None = None
    cpu_kernels: CpuKernelSettings = DEFAULT_SETTINGS
    host: str = "127.0.0.1"
    port: int = 0
    tls: TlsFiles | None = None


class Stage:
    """Making one loads the weights. Then `start`; `stop` ends it."""

    def __init__(self, folder: Path, options: StageOptions) -> None:
        checkpoint = Checkpoint.open(folder)
        config = checkpoint.config
        if options.context_limit is not None:
            config = replace(config, max_positions=min(config.max_positions, options.context_limit))
        selection = Selection(attention_layers=tuple(options.layers))
        with ProgressBar("load", checkpoint.num_bytes(selection)) as progress:
            weights = checkpoint.load(
                selection, progress=progress, device=options.device, dtype=options.dtype
            )
        prepare_cpu_kernels(weights.device, options.cpu_kernels)
        weights = compact_weights(weights, options.cpu_kernels)
        model = self.model = fingerprint(checkpoint)
        self._exchange = Exchange(options.exchange, model=model, tls=options.tls)
        settings = StageSettings(
            options.name,
            model,
            options.dtype,
            options.cache_bytes,
            options.exchange.max_frame_bytes,
            options.cpu_kernels,
        )
        experts = RemoteExperts(self._exchange, options.name, options.rows)
        worker = StageWorker(settings, config, weights, experts)
        self._server = StageServer(worker, options.host, options.port, options.tls)

    @property
    def address(self) -> str:
        return self._server.address

    @property
    def epoch(self) -> int | None:
        """Of the placement in use; None before there is one."""
        return self._exchange.epoch_in_use or None

    def start(self) -> None:
        self._server.start()

    def update(self, topology: Topology) -> None:
        self._exchange.update(topology)

    def stop(self) -> None:
        self._server.stop()
        self._exchange.close()
