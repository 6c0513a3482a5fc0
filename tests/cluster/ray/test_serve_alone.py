"""`expertmesh serve --mode cluster` on a Ray of its own: what stands on the terminal, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.cluster.running_mesh import mesh_config

pytestmark = pytest.mark.xdist_group("processes")  # one after the other: each wants the machine

WITHIN_S = 90.0
SOURCE_TREE = Path(__file__).parents[3]
PLANNED = (
    r"planned .* in bfloat16: 1 x cpu on 1 node; 1 attention worker of 2 stages, 2 expert workers, every "
    r"expert on one of them; the cache holds [\d,]+ tokens"
)
BEGINS = "begins a Ray on this machine"
SAID = [
    BEGINS,
    PLANNED,
    r"the controller of alone listens at 127\.0\.0\.1:\d+",
    r"waiting for attention-0, attention-0-stage-1, expert-0, expert-1",
]

Serve = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def serve(spoken_folder: Path, tmp_path: Path) -> Serve:
    """Begins it."""

    def begin(*, port: int = 0, device: str = "cpu", cache_gb: float = 0.02) -> subprocess.Popen[str]:
        values = dict(mesh_config(spoken_folder))
        values["engine"] = {**engine_of(values), "cache_gb": cache_gb}
        values["gateway"] = {"http_port": 0, "grpc_port": 0}
        values["cluster"] = {
            "name": "alone",
            "controller": {"port": port},
            "attention": {"stages": 2},
            "experts": {"workers": 2, "device": device, "threads": 1},
        }
        file = tmp_path / "mesh.yaml"
        file.write_text(json.dumps(values))
        return subprocess.Popen(
            [sys.executable, "-m", "cluster", "serve", "--mode", "cluster", "--config", str(file)],
            cwd=SOURCE_TREE,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return begin


def engine_of(values: Mapping[str, object]) -> Mapping[str, object]:
    engine = values["engine"]
    assert isinstance(engine, dict)
    return engine


def test_the_terminal_has_our_sentences_alone(serve: Serve) -> None:
    """Also when a worker is killed, which Ray would tell in a paragraph; `ps` says which process it is."""
    said: list[str] = []
    names: Mapping[str, int] = {}
    with serve() as serving:
        assert serving.stdout is not None
        for line in serving.stdout:
            said.append(line.rstrip("\n"))
            if "the mesh serves at" in line:
                if sum("the mesh serves at" in each for each in said) == 2:
                    serving.send_signal(signal.SIGTERM)
                else:
                    names = names_below(serving.pid)
                    os.kill(names["ray::expert-1"], signal.SIGKILL)
    assert serving.returncode == 0, said
    assert [line for line in said if not line.startswith("expertmesh: ")] == []
    for pattern, line in zip(SAID, said, strict=False):
        assert re.fullmatch(f"expertmesh: {pattern}", line)
    assert said[-1] == "expertmesh: takes nothing new; what runs has 30 s to end"
    workers = ["attention-0", "attention-0-stage-1", "controller", "expert-0", "expert-1"]
    assert {f"ray::{name}" for name in workers} <= names.keys()


def names_below(pid: int) -> Mapping[str, int]:
    """Of its processes, their processes and so on: what `ps` shows, without arguments."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    below = {pid}
    while more := {int(row[0]) for row in rows if int(row[1]) in below} - below:
        below |= more
    return {row[2].split()[0]: int(row[0]) for row in rows if int(row[0]) in below}


def refused(serving: subprocess.Popen[str]) -> str:
    """What it says but for Ray's beginning and the plan, which may fit all the same."""
    said, _ = serving.communicate(timeout=WITHIN_S)
    assert serving.returncode == 1
    lines = [line.removeprefix("expertmesh: ") for line in said.splitlines()]
    [line] = [line for line in lines if not re.fullmatch(f"{BEGINS}|{PLANNED}", line)]
    return line


def test_a_taken_port_is_said_with_its_key(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused(serve(port=port)) == (
            f"cannot listen on 127.0.0.1:{port}: Address already in use; end what listens there, or write "
            f"another cluster.controller.port or --controller-port"
        )


def test_workers_that_want_gpus_are_not_begun_where_there_are_none(serve: Serve) -> None:
    assert refused(serve(device="cuda")) == (
        "engine.device is cpu and cluster.experts.device is cuda, so 2 workers would take a GPU each; Ray "
        "finds 0 GPUs here. Write cpu, leave it empty, or ask for fewer workers"
    )


def test_a_mesh_that_does_not_fit_is_refused_in_the_words_of_the_plan(serve: Serve) -> None:
    words = refused(serve(cache_gb=1e6))
    assert re.match(
        r"attention-0 does not fit on cpu of \S+: beside .* of weights it takes 1,000,000\.\d GB", words
    )
    assert words.endswith("Nothing small would make it fit")
