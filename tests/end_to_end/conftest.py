"""The demo model, served in both modes at once, and asked over both faces."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.cluster.served_process import SOURCE_TREE, ServedProcess
from tests.end_to_end.heard import Face
from tests.end_to_end.over_grpc import OverGrpc
from tests.end_to_end.over_http import OverHttp

DEMO = SOURCE_TREE / "examples/expertmesh-demo"
MODES = ("single", "cluster")
FACES = ("http", "grpc")


@pytest.fixture(scope="package")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[tuple[str, str], Face]]:
    """By mode and face. Deterministic, so that tokens may be compared; the mesh has 1 + 2 workers."""
    file = tmp_path_factory.mktemp("demo") / "mesh.yaml"
    file.write_text(json.dumps(config(DEMO)))
    found: dict[tuple[str, str], Face] = {}
    with ExitStack() as stack:
        servers = {mode: begun(mode, file, stack) for mode in MODES}
        for mode, server in servers.items():
            server.wait_serving()
            found[mode, "http"] = stack.enter_context(closing(OverHttp(server)))
            found[mode, "grpc"] = stack.enter_context(closing(OverGrpc(server)))
        yield found


def begun(mode: str, file: Path, stack: ExitStack) -> ServedProcess:
    return stack.enter_context(closing(ServedProcess("serve", "--mode", mode, "--config", str(file))))


def config(model: Path) -> Mapping[str, object]:
    return {
        "model": str(model),
        "engine": {
            "device": "cpu",
            "dtype": "float32",
            "deterministic": True,
            "cache_gb": 0.1,
            "page_size": 4,
        },
        "gateway": {"http_port": 0, "grpc_port": 0},
        "cluster": {
            "name": "demo",
            "controller": {"port": 0},
            "experts": {"workers": 2, "device": "cpu"},
        },
    }


@pytest.fixture(params=[(mode, face) for mode in MODES for face in FACES], ids="-".join)
def face(request: pytest.FixtureRequest, faces: Mapping[tuple[str, str], Face]) -> Face:
    """Each of the four in turn."""
    return faces[request.param]
