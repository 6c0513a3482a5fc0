"""Single mode: the whole model and its gateway in this process, an engine on one thread, clients on another.

Not here: Ray, frames, placements; single mode has none. Called by `expertmesh serve --mode single`.
"""

import asyncio
from concurrent.futures import Future
from pathlib import Path

from cluster.config.config import Config
from cluster.hosted.options import engine_options
from cluster.serving.gateway_run import GatewayRun, Note
from cluster.serving.own_model import OwnModel
from cluster.serving.parts import make_gateway
from gateway.engine_link.local_link import LocalEngineLink
from gateway.gateway_server import GatewayServer
from kernels.cpu.settings import CpuKernelSettings
from model.local_model import LocalModel
from protos.errors import EngineStoppedError
from workers.engine.door import Deliver
from workers.engine.engine import Engine
from workers.engine.local_engine import load_model, local_engine


class SingleMode:
    """`begin`, then `look` again and again; `drain` and `stop` end it."""

    def __init__(self, folder: Path, config: Config, cpu_kernels: CpuKernelSettings, note: Note) -> None:
        self._config = config
        self._own = OwnModel.open(folder, config)  # before the weights: what is wrong is said at once
        self._folder = folder
        self._options = engine_options(config, cpu_kernels)
        self._gateway = GatewayRun(
            config, self._own.name, self._open, waits_for="the model is being loaded", note=note
        )
        self._gateway.check_ports()
        self._loaded: Future[LocalModel] = Future()
        self._engine: Engine | None = None

    def begin(self) -> None:
        """Loads the model; whoever asks meanwhile is told so."""
        self._gateway.begin()
        self._loaded.set_result(load_model(self._folder, self._options))

    def look(self) -> None:
        """Raises what has broken."""
        self._gateway.look()
        if self._engine is not None and self._engine.wait_ended(0):
            raise EngineStoppedError("the engine broke, and its log says why; start anew")

    def drain(self, timeout_s: float) -> None:
        """Take nothing new, and wait for what runs."""
        self._gateway.drain(timeout_s)

    def stop(self) -> None:
        """What has not ended is told so."""
        self._gateway.stop()

    async def _open(self) -> GatewayServer:
        model = await asyncio.wrap_future(self._loaded)
        link = LocalEngineLink(lambda deliver: self._make_engine(model, deliver))
        engine = self._engine
        assert engine is not None, "the link has just asked for it"
        engine.start()

        async def close_engine() -> None:
            await asyncio.to_thread(engine.close)

        try:
            return make_gateway(self._config, self._own, link, engine.context_limit, close_engine)
        except BaseException:
            await close_engine()
            raise

    def _make_engine(self, model: LocalModel, deliver: Deliver) -> Engine:
        self._engine = local_engine(model, self._own.tokenizer, self._options, deliver)
        return self._engine
