"""What the controller asks of an expert worker, over real gRPC: described, loaded, retained, healthy."""

from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from router.channel import open_channel
from tests.workers.experts.shards import WHOLE, worker_of
from workers.experts.control import ExpertControl
from workers.experts.expert_worker import ExpertWorker
from workers.experts.service import SERVICE, ExpertServer

TIMEOUT_S = 20.0


@pytest.fixture
def worker() -> ExpertWorker:
    return worker_of({})


@pytest.fixture
def control(worker: ExpertWorker) -> Iterator[ExpertControl]:
    server = ExpertServer(worker, "127.0.0.1")
    server.start()
    control = ExpertControl(server.address)
    yield control
    control.close()
    server.stop()


def test_it_says_what_it_is_and_hosts(worker: ExpertWorker, control: ExpertControl) -> None:
    said = control.describe(TIMEOUT_S)
    assert (said.worker, said.model, said.arithmetic, said.epoch) == ("expert-0", "tiny", "test", 0)
    assert (said.layer_to_experts, said.hosted_bytes, said.capacity_bytes) == ({}, 0, None)
    control.load({0: (2, 6), 3: (0,)}, TIMEOUT_S)
    said = control.describe(TIMEOUT_S)
    assert said.layer_to_experts == {0: (2, 6), 3: (0,)}
    assert said.hosted_bytes == worker.shard.num_bytes > 0
    assert said.layer_to_tokens == said.layer_to_visits == {}


def test_it_loads_more_and_keeps_what_it_is_told_to(control: ExpertControl) -> None:
    control.load({0: (2,)}, TIMEOUT_S)
    control.load({0: (1, 2), 4: WHOLE[4]}, TIMEOUT_S)
    control.retain(5, {0: (1,), 4: (3, 6)}, TIMEOUT_S)
    said = control.describe(TIMEOUT_S)
    assert (said.epoch, said.layer_to_experts) == (5, {0: (1,), 4: (3, 6)})


@pytest.mark.parametrize("held", [{5: (0,)}, {0: (7,)}], ids=["a layer", "an expert"])
def test_what_the_model_does_not_have_is_refused_and_nothing_changes(
    control: ExpertControl, held: dict[int, tuple[int, ...]]
) -> None:
    control.load({0: (2,)}, TIMEOUT_S)
    with pytest.raises(grpc.RpcError) as caught:
        control.load(held, TIMEOUT_S)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "was asked for; the model has" in str(caught.value.details())
    assert control.describe(TIMEOUT_S).layer_to_experts == {0: (2,)}


def test_it_is_healthy(control: ExpertControl) -> None:
    with open_channel(control.address, 1 << 16) as channel:
        check: grpc.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]
        check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]
        for service in ("", SERVICE):
            answer = check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_S)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
