"""`expertmesh serve` in single mode as an operator runs it; cluster mode is tested on Ray itself."""

import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import pytest

from cluster.cli import main
from cluster.stop_signal import STOPPED_BY_PERSON
from protos.gen.v1 import inference_pb2, inference_pb2_grpc
from tests.cluster.running_mesh import mesh_config
from tests.cluster.served_process import ServedProcess

Capture = pytest.CaptureFixture[str]

WORDS = "Is the sea blue?"


def error_of(answer: tuple[int, Mapping[str, object]]) -> tuple[int, str]:
    status, said = answer
    return status, said["error"]["message"]  # type: ignore[index]


def config_file(folder: Path, model: Path, **gateway: object) -> Path:
    file = folder / "mesh.yaml"
    file.write_text(
        json.dumps({**mesh_config(model), "gateway": {"http_port": 0, "grpc_port": 0, **gateway}})
    )
    return file


@pytest.fixture
def server(tmp_path: Path, spoken_folder: Path) -> Iterator[ServedProcess]:
    file = config_file(tmp_path, spoken_folder, model_name="spoken", aliases=["other"])
    made = ServedProcess("serve", "--config", str(file), without=["ray"])
    yield made
    made.close()


def test_single_mode_serves_both_faces_without_ray(server: ServedProcess) -> None:
    server.wait_serving()
    assert server.get("/ready") == (200, {"status": "ready"})
    over_http = server.content_of_chat(WORDS, 20)
    assert over_http == server.content_of_grpc_chat(WORDS, 20)
    assert over_http != server.content_of_chat("Is the sea green?", 20)
    status, response = server.post(
        "/v1/responses", {"model": "other", "input": WORDS, "max_output_tokens": 9}
    )
    assert (status, server.get(f"/v1/responses/{response['id']}")) == (200, (200, response))
    _, models = server.get("/v1/models")
    assert [each["id"] for each in models["data"]] == ["spoken", "other"]  # type: ignore[attr-defined]
    assert server.end() == 0
    assert server.said[1:] == ["expertmesh: takes nothing new; what runs has 30 s to end"]


def test_it_ends_in_good_order(server: ServedProcess) -> None:
    """What runs is finished, what comes is refused, and readiness says so."""
    server.wait_serving()
    with server.stream(WORDS, 1500) as response:
        server.process.terminate()
        while (said := server.get("/ready"))[0] == 200:
            """The signal is on its way."""
        assert error_of(said) == (503, "this gateway is about to stop")
        status, words = error_of(server.chat(WORDS, 3))
        assert status == 503
        assert "takes nothing new" in words
        lines = [line for line in response.read().splitlines() if line]
    assert len(lines) > 500
    assert lines[-1] == b"data: [DONE]"
    assert server.process.wait(60) == 0


def test_what_does_not_end_in_time_is_cancelled(tmp_path: Path, spoken_folder: Path) -> None:
    file = config_file(tmp_path, spoken_folder)
    server = ServedProcess("serve", "--config", str(file), "--drain-s", "0.05")
    try:
        server.wait_serving()
        with server.stream(WORDS, 1500) as response:
            assert server.end() == 0
            assert b"the gateway stops" in response.read()
        assert server.said[-1] == "expertmesh: 1 request had to be cancelled"
    finally:
        server.close()


def test_a_second_signal_ends_it_at_once(server: ServedProcess) -> None:
    server.wait_serving()
    with server.stream(WORDS, 1500):
        server.process.terminate()
        while server.get("/ready")[0] == 200:
            """The signal is on its way."""
        server.process.terminate()
        assert server.process.wait(5) == STOPPED_BY_PERSON


def test_both_faces_speak_tls_with_the_certificate_of_the_mesh(
    tmp_path: Path, spoken_folder: Path, capsys: Capture
) -> None:
    authority, certificate, key = certificates(tmp_path)
    file = config_file(tmp_path, spoken_folder, tls=True)
    tls = {"ca": str(authority), "certificate": str(certificate), "key": str(key)}
    file.write_text(json.dumps({**json.loads(file.read_text()), "tls": tls}))
    server = ServedProcess("serve", "--config", str(file), without=["ray"])
    try:
        server.wait_serving()
        words = ["--url", f"https://{server.http}", "--max-tokens", "9", "--temperature", "0"]
        assert main(["chat", WORDS, *words, "--ca", str(authority)]) == 0
        assert capsys.readouterr().out
        assert main(["chat", WORDS, *words]) == 1
        assert "CERTIFICATE_VERIFY_FAILED" in capsys.readouterr().err
        credentials = grpc.ssl_channel_credentials(authority.read_bytes())
        with grpc.secure_channel(server.grpc, credentials) as channel:
            stub = inference_pb2_grpc.InferenceServiceStub(channel)
            models = stub.ListModels(inference_pb2.ListModelsRequest(), timeout=10).models
        assert [model.name for model in models] == [spoken_folder.name]
    finally:
        server.close()


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority, and what it has signed for this machine; made now, for a day."""
    authority, certificate, key = (folder / name for name in ("ca.pem", "own.pem", "own.key"))
    own = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    signed = ["-CA", str(authority), "-CAkey", str(folder / "ca.key"), "-out", str(certificate)]
    new = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    root = ["-keyout", str(folder / "ca.key"), "-out", str(authority), "-subj", "/CN=root", "-days", "1"]
    subprocess.run([*new, *root], check=True, capture_output=True)
    subprocess.run([*new, *own, "-keyout", str(key), *signed], check=True, capture_output=True)
    return authority, certificate, key


def test_where_it_serves_can_be_said_without_a_file(spoken_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as had:
        port = had.getsockname()[1]
    words = ["--host", "127.0.0.2", "--http-port", str(port), "--grpc-port", "0"]
    server = ServedProcess("serve", "--model", str(spoken_folder), *words, without=["ray"])
    try:
        server.wait_serving()
        assert server.http == f"127.0.0.2:{port}"
        assert not server.grpc.endswith((":8001", ":0"))
        assert server.content_of_chat(WORDS, 5) == server.content_of_grpc_chat(WORDS, 5)
    finally:
        server.close()


def test_what_is_said_beats_the_file(tmp_path: Path, spoken_folder: Path, capsys: Capture) -> None:
    file = config_file(tmp_path, spoken_folder)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for option in ("--http-port", "--grpc-port"):
            assert main(["serve", "--config", str(file), option, port]) == 1
            assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in capsys.readouterr().err
        command = ["gateway", "--config", str(file), "--mesh", "127.0.0.1:1", "--http-port", port]
        assert main(command) == 1
        assert "or --http-port" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_what_is_no_port_is_wrong_usage(port: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["serve", "--model", "m", f"--grpc-port={port}"])
    assert raised.value.code == 2
    assert "argument --grpc-port: " in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_before_the_model_is_loaded(
    server: ServedProcess, tmp_path: Path, spoken_folder: Path, capsys: Capture
) -> None:
    server.wait_serving()
    port = int(server.http.rpartition(":")[2])
    (tmp_path / "second").mkdir()
    file = config_file(tmp_path / "second", spoken_folder, http_port=port)
    assert main(["serve", "--config", str(file)]) == 1
    words = f"cannot listen on 127.0.0.1:{port}: Address already in use; end what listens there"
    assert words in capsys.readouterr().err


def test_a_tokenizer_that_is_not_whole_is_said_before_the_model_is_loaded(
    tmp_path: Path, spoken_folder: Path, capsys: Capture
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for path in spoken_folder.iterdir():
        (model / path.name).write_bytes(path.read_bytes().replace(b"<|channel|>", b"<|chanel|>"))
    assert main(["serve", "--config", str(config_file(tmp_path, model))]) == 1
    assert "lacks <|channel|>" in capsys.readouterr().err
    (model / "tokenizer.json").unlink()
    assert main(["serve", "--config", str(config_file(tmp_path, model))]) == 1
    assert "tokenizer.json does not exist" in capsys.readouterr().err


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


def test_stop_is_for_meshes_on_a_ray_that_stays(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text("model: m\n")
    assert main(["stop", "--config", str(file)]) == 1
    assert "the mesh ends with the `expertmesh serve` that began it" in capsys.readouterr().err
