"""A real, tiny distribution named `kernels`, beside this process and then beside a fresh interpreter."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.environment import let_idle_threads_sleep, refuse_foreign_kernels
from protos.errors import EnvironmentConflictError


@pytest.fixture
def foreign_site(tmp_path: Path) -> Path:
    """What `pip install kernels` leaves, as far as importlib.metadata looks."""
    metadata = tmp_path / "kernels-9.8.7.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: kernels\nVersion: 9.8.7\n")
    return tmp_path


def test_our_own_environment_is_accepted() -> None:
    refuse_foreign_kernels()


def test_foreign_kernels_are_refused_with_advice(foreign_site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(foreign_site)
    with pytest.raises(EnvironmentConflictError) as raised:
        refuse_foreign_kernels()
    assert "'kernels' 9.8.7 is installed" in str(raised.value)
    assert "`pip uninstall kernels`" in str(raised.value)


def test_a_fresh_interpreter_refuses_too(foreign_site: Path) -> None:
    command = [sys.executable, "-c", "from cluster.environment import *; refuse_foreign_kernels()"]
    beside = os.environ | {"PYTHONPATH": str(foreign_site)}
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    refused = subprocess.run(command, env=beside, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "EnvironmentConflictError: the PyPI package 'kernels' 9.8.7" in refused.stderr


def test_idle_threads_sleep_unless_the_operator_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    let_idle_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    let_idle_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
