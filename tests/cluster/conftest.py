"""One small model for all tests that run a mesh of processes; gateways that say what a test writes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model.local_model import LocalModel
from tests.cluster.chat.scripted_gateway import ScriptedGateway
from tests.workers.engine.tiny_engine import load_deterministic, write_spoken_model

Serve = Callable[..., ScriptedGateway]


@pytest.fixture(scope="package")
def spoken_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken")
    write_spoken_model(folder)
    return folder


@pytest.fixture(scope="package")
def spoken_model(spoken_folder: Path) -> LocalModel:
    return load_deterministic(spoken_folder)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Begins one; it is given its scripts."""
    begun: list[ScriptedGateway] = []

    def begin(*scripts: object, **options: object) -> ScriptedGateway:
        gateway = ScriptedGateway(list(scripts), **options)  # type: ignore[arg-type]
        gateway.begin()
        begun.append(gateway)
        return gateway

    yield begin
    for gateway in begun:
        gateway.close()
