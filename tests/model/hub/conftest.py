"""A hub on loopback that serves a tiny model, and settings that leave the home folder alone."""

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from model.hub.settings import HubSettings
from tests.model.hub.hub_models import repository_files
from tests.model.hub.hub_server import HubServer, serving


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving(HubServer(repository_files())) as server:
        yield server
    huggingface_hub.close_session()


@pytest.fixture
def settings(hub: HubServer, tmp_path: Path) -> HubSettings:
    return HubSettings(
        endpoint=hub.addresses[0],
        token=False,
        cache_folder=tmp_path / "cache",
        timeout_s=5.0,
        num_attempts=3,
        first_wait_s=0.01,
    )
