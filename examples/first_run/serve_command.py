"""The command line that serves, as a person would type it: what `make run` runs and shows.

Not here: running it (`server`).
"""

import shlex
import sys
from dataclasses import dataclass
from enum import StrEnum
from os.path import relpath
from pathlib import Path

from examples.first_run.ports import USUAL, Ports
from protos.errors import ConfigError

DEMO = Path("examples/expertmesh-demo")


class Mode(StrEnum):
    """As `expertmesh serve --mode` has them."""

    CLUSTER = "cluster"
    SINGLE = "single"


@dataclass(frozen=True, slots=True)
class ServeCommand:
    """Immutable."""

    mode: Mode
    model: Path
    ports: Ports

    @property
    def program(self) -> str:
        """As it can be typed from here."""
        path = Path(sys.executable).with_name("expertmesh")
        return relpath(path) if path.is_relative_to(Path.cwd()) else str(path)

    @property
    def words(self) -> list[str]:
        ports = [
            ("--http-port", self.ports.http, USUAL.http),
            ("--grpc-port", self.ports.grpc, USUAL.grpc),
            *([("--controller-port", self.ports.controller, USUAL.controller)] if self.is_mesh else []),
        ]
        said = [word for option, port, usual in ports if port != usual for word in (option, str(port))]
        return [self.program, "serve", "--mode", self.mode.value, "--model", str(self.model), *said]

    @property
    def is_mesh(self) -> bool:
        return self.mode is Mode.CLUSTER

    def check(self) -> None:
        """Before anything is begun."""
        if not (self.model / "config.json").is_file():
            raise ConfigError(f"{self.model} holds no model (it has no config.json); {self._advice}")
        if not Path(self.program).is_file():
            raise ConfigError(
                f"there is no command {self.program}; `make run` installs it, or "
                f"`{sys.executable} -m pip install -c constraints.txt -e '.[{self.mode}]'`"
            )

    @property
    def _advice(self) -> str:
        if self.model == DEMO:
            return f"it is a part of the repository, and `git checkout -- {DEMO}` brings it back"
        return (
            f"MODEL=FOLDER is the folder that does; `{self.program} serve --model NAME` takes the name of a "
            f"model that was pulled"
        )

    def __str__(self) -> str:
        return shlex.join(self.words)
