from pathlib import Path

import pytest

from tests.workers.engine.tiny_engine import write_spoken_model


@pytest.fixture(scope="session")
def spoken_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken for gateways")
    write_spoken_model(folder)
    return folder
