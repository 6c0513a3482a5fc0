"""`expertmesh gateway` beside a mesh of real processes: no torch, and no request notices a lost worker."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.cli import main
from cluster.controller.wishes import Wishes
from model.local_model import LocalModel
from model.tokenizer.byte_tokenizer import write_byte_tokenizer
from tests.cluster.running_mesh import RunningMesh, mesh_config
from tests.cluster.served_process import ServedProcess

pytestmark = pytest.mark.xdist_group("processes")  # one after the other: each wants the machine

Capture = pytest.CaptureFixture[str]

HEAVY = ("torch", "triton", "ray", "numpy")
WORDS = "Is the sea blue?"
OF_A_GATEWAY = ("config.json", "generation_config.json", "tokenizer.json")


@pytest.fixture(scope="module")
def mesh(spoken_folder: Path, spoken_model: LocalModel) -> Iterator[RunningMesh]:
    made = RunningMesh(spoken_folder, spoken_model.config, Wishes(2, 2, 1))
    try:
        made.wait_serving()
        yield made
    finally:
        made.close()


@pytest.fixture
def folder(spoken_folder: Path, tmp_path: Path) -> Path:
    """What a gateway has of the model."""
    folder = tmp_path / "light"
    folder.mkdir()
    for name in OF_A_GATEWAY:
        (folder / name).write_bytes((spoken_folder / name).read_bytes())
    return folder


def config_file(folder: Path, **gateway: object) -> Path:
    file = folder.parent / "gateway.yaml"
    file.write_text(
        json.dumps({**mesh_config(folder), "gateway": {"http_port": 0, "grpc_port": 0, **gateway}})
    )
    return file


def begin(mesh_address: str, file: Path) -> ServedProcess:
    words = ("gateway", "--config", str(file), "--mesh", mesh_address)
    return ServedProcess(*words, without=HEAVY)


def test_it_serves_without_torch_and_ends_in_good_order(mesh: RunningMesh, folder: Path) -> None:
    gateway = begin(mesh.address, config_file(folder))
    try:
        gateway.wait_serving()
        assert gateway.said[0].startswith("expertmesh: waits for an attention worker of the mesh")
        assert gateway.model == "light"
        assert gateway.get("/ready") == (200, {"status": "ready"})
        assert gateway.content_of_chat(WORDS, 12) == gateway.content_of_grpc_chat(WORDS, 12)
        assert gateway.end() == 0
    finally:
        gateway.close()


def test_an_answer_goes_on_when_its_worker_is_lost(mesh: RunningMesh, folder: Path) -> None:
    gateway = begin(mesh.address, config_file(folder))
    try:
        gateway.wait_serving()
        with gateway.stream(WORDS, 150) as response:
            undisturbed = response.read()
        with gateway.stream(WORDS, 150) as response:
            mesh.fleet.send(mesh.busy_attention(), signal.SIGKILL)
            assert contents(response.read()) == contents(undisturbed)
        mesh.wait_serving()
    finally:
        gateway.close()


def contents(stream: bytes) -> str:
    """Of all chunks but the first, which was read before."""
    chunks = [line.removeprefix(b"data: ") for line in stream.splitlines() if line.startswith(b"data: {")]
    deltas = [json.loads(chunk)["choices"][0]["delta"] for chunk in chunks]
    return "".join((delta.get("reasoning") or "") + (delta.get("content") or "") for delta in deltas)


def test_the_tokenizer_of_another_model_is_refused(mesh: RunningMesh, folder: Path) -> None:
    vocab_size = json.loads((folder / "config.json").read_text())["vocab_size"]
    write_byte_tokenizer(folder, vocab_size, [(b"o", b"o")])
    gateway = begin(mesh.address, config_file(folder))
    try:
        assert gateway.process.wait(60) == 1
        gateway.close()
        assert "has another vocabulary than this gateway's tokenizer" in gateway.said[-1]
    finally:
        gateway.close()


def test_it_waits_for_a_mesh_says_so_and_ends_while_it_waits(folder: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as no_controller,
        socket.create_server(("127.0.0.1", 0)) as no_gateway,
    ):
        nowhere = f"127.0.0.1:{no_controller.getsockname()[1]}"
        port = no_gateway.getsockname()[1]
    gateway = begin(nowhere, config_file(folder, http_port=port))
    try:
        while not gateway.said:
            assert gateway.process.poll() is None
        gateway.http = f"127.0.0.1:{port}"
        status, said = gateway.get("/ready")
        assert status == 503
        assert f"whose controller is at {nowhere} serves yet" in said["error"]["message"]  # type: ignore[index]
        assert gateway.end() == 0
        assert gateway.said == [
            f"expertmesh: waits for an attention worker of the mesh whose controller is at {nowhere}",
            "expertmesh: takes nothing new; what runs has 30 s to end",
        ]
    finally:
        gateway.close()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("model: ./nowhere", "the model ./nowhere does not exist"),
        ("model: m\ncluster: {controller: {port: 0}}", "name it with --mesh HOST:PORT"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    text: str, sentence: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mesh.yaml").write_text(text)
    assert main(["gateway", "--config", "mesh.yaml"]) == 1
    assert sentence in capsys.readouterr().err
