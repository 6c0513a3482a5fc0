"""`expertmesh serve` in single mode as an operator runs it; cluster mode is tested on Ray itself."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.cli import main
from model.local_model import LocalModel
from tests.cluster.running_mesh import mesh_config
from tests.cluster.traffic import Traffic, some_requests
from workers.attention.control import AttentionControl
from workers.membership.members import MeshTopology, WorkerKind, WorkerState, WorkerStatus

Capture = pytest.CaptureFixture[str]

SOURCE_TREE = Path(__file__).parents[2]
WITHIN_S = 60.0
HERE = WorkerStatus("here", WorkerKind.ATTENTION, WorkerState.SERVING)

WITHOUT_RAY = """
import sys
sys.modules["ray"] = None  # importing it is an error from now on
from cluster.cli import main
sys.exit(main(sys.argv[1:]))
"""


def engine_of(folder: Path) -> str:
    engine = mesh_config(folder)["engine"]
    assert isinstance(engine, dict)
    return "\n".join(f"  {key}: {str(value).lower()}" for key, value in engine.items())


@pytest.fixture
def config(tmp_path: Path, spoken_folder: Path) -> Path:
    file = tmp_path / "mesh.yaml"
    file.write_text(f"model: {spoken_folder}\nlisten: {{port: 0}}\nengine:\n{engine_of(spoken_folder)}\n")
    return file


@pytest.fixture
def server(config: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", WITHOUT_RAY, "serve", "--config", str(config)],
        cwd=SOURCE_TREE,
        env={**os.environ, "PYTHONPATH": str(SOURCE_TREE)},
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def address_of(server: subprocess.Popen[str]) -> str:
    """It says so when it can be reached."""
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.search(r"serves .* at (\S+:\d+)$", line.strip()):
            return found[1]
    raise AssertionError("it ended")


def test_single_mode_serves_without_ray_and_ends_in_good_order(
    server: subprocess.Popen[str], spoken_model: LocalModel
) -> None:
    address = address_of(server)
    traffic = Traffic()
    traffic.hear(MeshTopology(workers=(replace(HERE, address=address),)))
    toll = traffic.run(some_requests(spoken_model, 5, max_tokens=12), at_once=3, timeout_s=WITHIN_S)
    traffic.close()
    assert toll.losses == (0, 0, 0)
    control = AttentionControl(address)
    assert control.describe(WITHIN_S).vocab_size == spoken_model.config.vocab_size
    control.close()
    server.send_signal(signal.SIGTERM)
    _, rest = server.communicate(timeout=WITHIN_S)
    assert server.returncode == 0
    assert rest == "expertmesh: takes nothing new; what runs has 30 s to end\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serve"], "say what to serve: --model, or --config"),
        (["serve", "--model", "./nowhere"], "the model ./nowhere does not exist"),
        (["serve", "--config", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
    ],
)
def test_what_cannot_be_served_is_refused_in_words(
    arguments: list[str], sentence: str, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert sentence in printed.err


def test_a_mesh_that_does_not_fit_is_refused_before_ray_begins(
    tmp_path: Path, spoken_folder: Path, capsys: Capture
) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(f"model: {spoken_folder}\ncluster: {{experts: {{workers: 2, memory_gb: 0.0003}}}}\n")
    assert main(["serve", "--mode", "cluster", "--config", str(file)]) == 1
    assert capsys.readouterr().err.startswith("expertmesh: ")


def test_a_taken_port_is_said_with_its_key(config: Path, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(config.read_text().replace("port: 0", f"port: {port}"))
        assert main(["serve", "--config", str(config)]) == 1
    assert capsys.readouterr().err == (
        f"expertmesh: cannot listen on 127.0.0.1:{port}: the port is taken, or it is not an address of this "
        f"machine; write another listen.port (0: any free one), or end what listens there\n"
    )


def test_stop_is_for_meshes_on_a_ray_that_stays(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text("model: m\n")
    assert main(["stop", "--config", str(file)]) == 1
    assert "the mesh ends with the `expertmesh serve` that began it" in capsys.readouterr().err
