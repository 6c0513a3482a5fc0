"""Single mode from inside: a client that goes leaves nothing in the engine, on either face."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from cluster.config.config_file import parse_config
from cluster.environment import cpu_kernel_settings
from cluster.single_mode import SingleMode
from protos.errors import EngineStoppedError
from protos.gen.v1 import inference_pb2 as pb
from protos.gen.v1 import inference_pb2_grpc
from tests.cluster.running_mesh import mesh_config
from tests.cluster.served_process import STOP_IDS, endless_body
from tests.workers.attention.paper_worker import wait_until
from workers.engine.engine import Engine

MOST = 1500


class Running:
    """Single mode, and what it says."""

    def __init__(self, folder: Path) -> None:
        values = {**mesh_config(folder), "gateway": {"http_port": 0, "grpc_port": 0, "model_name": "m"}}
        self.notes: list[str] = []
        config = parse_config(values, "test")
        self.mode = SingleMode(folder, config, cpu_kernel_settings(), self.notes.append)
        self.mode.begin()
        wait_until(lambda: self._looked() and bool(self.notes))
        found = re.search(r"http://(\S+)/v1 and, over gRPC, at (\S+)$", self.notes[0])
        assert found is not None
        self.http, self.grpc = found.groups()

    @property
    def engine(self) -> Engine:
        assert self.mode._engine is not None
        return self.mode._engine

    def is_idle(self) -> bool:
        load = self.engine.load
        return self.engine.num_requests == 0 and load.num_free_pages == load.num_pages

    def _looked(self) -> bool:
        self.mode.look()
        return True


@pytest.fixture(scope="module")
def running(spoken_folder: Path) -> Iterator[Running]:
    made = Running(spoken_folder)
    yield made
    made.mode.stop()


def test_a_connection_that_is_closed_frees_the_pages(running: Running) -> None:
    connection = http.client.HTTPConnection(running.http, timeout=30)
    body = json.dumps(endless_body("m", "Go on.", MOST))
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    with connection.getresponse() as response:
        assert response.readline().startswith(b"data: ")
        assert not running.is_idle()
    connection.close()
    wait_until(running.is_idle)


def test_a_call_that_is_cancelled_frees_the_pages(running: Running) -> None:
    request = pb.ChatRequest(messages=[pb.Message(user=pb.UserMessage(text="Go on."))])
    request.options.max_tokens = MOST
    for token_id in STOP_IDS:
        request.options.sampling.logit_bias[token_id] = -100.0
    with grpc.insecure_channel(running.grpc) as channel:
        stream = inference_pb2_grpc.InferenceServiceStub(channel).Chat(request)
        next(stream)
        assert not running.is_idle()
        stream.cancel()
        wait_until(running.is_idle)


def test_an_engine_that_breaks_ends_it(running: Running) -> None:
    running.engine.close()
    with pytest.raises(EngineStoppedError, match="the engine broke"):
        running.mode.look()
