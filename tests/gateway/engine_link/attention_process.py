"""An attention worker over a tiny real model in a process of its own, which tests may kill.

`python -m tests.gateway.engine_link.attention_process FOLDER` prints its address and serves.
"""

import signal
import subprocess
import sys
import threading
from pathlib import Path

from cluster.environment import let_idle_threads_sleep

let_idle_threads_sleep()  # before anything imports torch

import torch  # noqa: E402

from model.tokenizer import Tokenizer  # noqa: E402
from tests.workers.engine.tiny_engine import TinyEngine, load_deterministic  # noqa: E402
from workers.attention.server import AttentionServer  # noqa: E402
from workers.attention.service import ServedModel  # noqa: E402
from workers.attention.switchboard import Switchboard  # noqa: E402
from workers.engine.engine import Engine  # noqa: E402

ROOT = Path(__file__).parent.parent.parent.parent
START_S = 60.0


class AttentionProcess:
    """Starts at once; `address` waits until it serves."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", __name__, str(folder)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self._address: str | None = None

    @property
    def address(self) -> str:
        if self._address is None:
            assert self._process.stdout is not None
            self._address = self._process.stdout.readline().strip()
            assert self._address, "the worker did not start"
        return self._address

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """With no chance to say anything."""
        self._process.kill()
        self._process.wait(START_S)
        if self._process.stdout is not None:
            self._process.stdout.close()


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    model = load_deterministic(folder)
    tokenizer = Tokenizer.open(folder, model.config.vocab_size)
    tiny = TinyEngine(model, tokenizer)
    switchboard = Switchboard()
    engine = Engine(tiny.core, tiny.admission, max_waiting=256, deliver=switchboard.deliver)
    served = ServedModel("tiny", model.config.vocab_size)
    server = AttentionServer(engine, switchboard, served, "127.0.0.1", load_every_s=0.1)
    engine.start()
    server.start()
    print(server.address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
