"""One small model for all tests that run a mesh of processes."""

from pathlib import Path

import pytest

from model.local_model import LocalModel
from tests.workers.engine.tiny_engine import load_deterministic, write_spoken_model


@pytest.fixture(scope="package")
def spoken_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken")
    write_spoken_model(folder)
    return folder


@pytest.fixture(scope="package")
def spoken_model(spoken_folder: Path) -> LocalModel:
    return load_deterministic(spoken_folder)
