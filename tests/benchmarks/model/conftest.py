from pathlib import Path

import pytest

from tests.benchmarks.model.small_model import write_small


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a checkpoint."""
    folder = tmp_path_factory.mktemp("small")
    write_small(folder)
    return folder
