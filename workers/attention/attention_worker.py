"""An attention worker: the engine over attention layers that are here, and experts that are elsewhere.

It is told the topology by whoever watches the controller, and serves gateways over AttentionService. A plain
class; Ray around it is `cluster.ray`. Not here: the engine (`workers.engine`), who is asked for which expert
(`router`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model.checkpoint import Checkpoint
from model.checkpoint.fingerprint import fingerprint
from router.channel import TlsFiles
from router.exchange import Exchange, ExchangeSettings
from router.exchange_statistics import ExchangeStatistics
from router.remote_experts import RemoteExperts, RemoteExpertsSettings
from router.topology import Topology
from workers.attention.remote_stage import RemoteStage
from workers.attention.server import AttentionServer
from workers.attention.service import ServedModel
from workers.attention.staged_pass import StagedPass
from workers.attention.switchboard import Switchboard
from workers.engine.local_engine import LocalEngineOptions, load_model, local_engine, open_tokenizer


@dataclass(frozen=True, slots=True)
class AttentionWorkerOptions:
    """What a worker is told when it is made."""

    name: str
    engine: LocalEngineOptions = field(default_factory=LocalEngineOptions)
    exchange: ExchangeSettings = field(default_factory=ExchangeSettings)
    rows: RemoteExpertsSettings = field(default_factory=RemoteExpertsSettings)
    first_layers: int | None = None  # how many of the layers are here, if stages have the others
    stages: Sequence[str] = ()  # their addresses, in order
    host: str = "127.0.0.1"
    port: int = 0
    tls: TlsFiles | None = None


class AttentionWorker:
    """Making one loads the weights, opens the stages and takes the cache. Then `start`; `stop` ends it."""

    def __init__(self, folder: Path, options: AttentionWorkerOptions) -> None:
        self.options = options
        self.model = fingerprint(Checkpoint.open(folder))
        self._exchange = Exchange(options.exchange, model=self.model, tls=options.tls)
        experts = RemoteExperts(self._exchange, options.name, options.rows)
        model = load_model(folder, options.engine, experts=experts, first_layers=options.first_layers)
        stages = [
            RemoteStage(
                options.name,
                address,
                model=self.model,
                max_frame_bytes=options.exchange.max_frame_bytes,
                tls=options.tls,
            )
            for address in options.stages
        ]
        self._staged = StagedPass(model.forward_pass, stages) if stages else None
        tokenizer = open_tokenizer(folder, model.config)
        switchboard = Switchboard()
        self.engine = local_engine(model, tokenizer, options.engine, switchboard.deliver, self._staged)
        self._server = AttentionServer(
            self.engine,
            switchboard,
            ServedModel(
                self.model,
                model.config.vocab_size,
                None if tokenizer is None else tokenizer.fingerprint(),
            ),
            options.host,
            options.port,
            tls=options.tls,
            epoch=lambda: self.epoch,
        )

    @property
    def address(self) -> str:
        return self._server.address

    @property
    def epoch(self) -> int | None:
        """Of the placement in use; None before there is one."""
        return self._exchange.epoch_in_use or None

    @property
    def exchange_statistics(self) -> ExchangeStatistics:
        return self._exchange.statistics

    def start(self) -> None:
        self.engine.start()
        self._server.start()

    def update(self, topology: Topology) -> None:
        """From any thread, at any time; steps that are under way go on by the new one."""
        self._exchange.update(topology)

    def stop(self) -> None:
        """Requests that have not ended are told so; gateways take them elsewhere."""
        self.engine.close()
        self._server.stop()
        self._exchange.close()
        if self._staged is not None:
            self._staged.close()
