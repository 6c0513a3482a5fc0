"""Single mode: the whole model in this process, behind the same service that attention workers offer.

Not here: Ray, frames, placements; single mode has none. Called by `expertmesh serve --mode single`.
"""

from pathlib import Path

from cluster.config.config import Config
from cluster.hosted.options import engine_options
from cluster.tls import tls_files
from kernels.cpu.settings import CpuKernelSettings
from model.checkpoint import Checkpoint
from model.checkpoint.fingerprint import fingerprint
from protos.errors import AddressTakenError
from workers.attention.server import AttentionServer
from workers.attention.service import ServedModel
from workers.attention.switchboard import Switchboard
from workers.engine.local_engine import load_model, local_engine, open_tokenizer


class SingleMode:
    """Making it loads the model. Then `start`; `drain` and `stop` end it."""

    def __init__(self, folder: Path, config: Config, cpu_kernels: CpuKernelSettings) -> None:
        options = engine_options(config, cpu_kernels)
        model = load_model(folder, options)
        switchboard = Switchboard()
        tokenizer = open_tokenizer(folder, model.config)
        self.engine = local_engine(model, tokenizer, options, switchboard.deliver)
        served = ServedModel(fingerprint(Checkpoint.open(folder)), model.config.vocab_size)
        where = config.listen
        try:
            self._server = AttentionServer(
                self.engine, switchboard, served, where.host, where.port, tls=tls_files(config)
            )
        except AddressTakenError as error:
            raise AddressTakenError(
                f"{error}; write another listen.port (0: any free one), or end what listens there"
            ) from error

    @property
    def address(self) -> str:
        return self._server.address

    def start(self) -> None:
        self.engine.start()
        self._server.start()

    def drain(self, timeout_s: float) -> bool:
        """Take nothing new, and wait for what runs; -> whether all of it has ended."""
        return self._server.drain(timeout_s)

    def stop(self) -> None:
        """What has not ended is told so."""
        self.engine.close()
        self._server.stop()
