"""AttentionService over a real channel: what is answered, what is cancelled, who is cut off."""

from collections.abc import Iterator
from dataclasses import replace

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from model.sampling.parameters import SamplingParameters
from protos.gen.v1 import attention_pb2 as pb
from tests.workers.attention.paper_worker import (
    PAPER,
    PATIENCE_S,
    PaperWorker,
    RawStream,
    status_of,
    wait_until,
)
from workers.attention.control import AttentionControl
from workers.attention.server import SERVICE
from workers.engine.load import ServingState
from workers.engine.request import GenerationRequest

SLOW_S = 0.02
"""A step that takes this long: what is to be cancelled does not end by itself before."""

GREEDY = SamplingParameters(temperature=0.0)


@pytest.fixture
def worker() -> Iterator[PaperWorker]:
    made = PaperWorker()
    yield made
    made.shut_down()


@pytest.fixture
def stream(worker: PaperWorker) -> Iterator[RawStream]:
    made = RawStream(worker.server.address)
    yield made
    made.close()


def tokens_of(said: list[pb.AttachResponse | pb.Event]) -> list[int]:
    deltas = [event.choice_delta for event in said if isinstance(event, pb.Event)]
    return [token_id for delta in deltas for token_id in delta.token_ids]


def alone(worker: PaperWorker, max_tokens: int) -> list[int]:
    return worker.paper.alone(GenerationRequest("one", (1, 2, 3), GREEDY, max_tokens=max_tokens))


def health_of(worker: PaperWorker) -> int:
    with grpc.insecure_channel(worker.server.address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]
        status: int = check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=PATIENCE_S).status
        return status


def test_each_request_is_accepted_told_and_ended(worker: PaperWorker, stream: RawStream) -> None:
    for number in range(5):
        stream.submit(f"{number}", max_tokens=4 + number)
    for request_id, said in stream.outcomes(5).items():
        assert isinstance(said[0], pb.AttachResponse)
        assert said[0].HasField("accepted")
        assert tokens_of(said) == alone(worker, 4 + int(request_id))
        assert isinstance(said[-1], pb.Event)
        assert said[-1].ended.usage.output_tokens == 4 + int(request_id)
        assert not said[-1].ended.HasField("failure")


def test_all_events_of_a_step_come_in_one_message(worker: PaperWorker, stream: RawStream) -> None:
    worker.may_step.clear()
    stream.submit("first", max_tokens=1)
    wait_until(lambda: worker.engine.load.num_running == 1)
    for number in range(3):
        stream.submit(f"{number}", max_tokens=1)
    wait_until(lambda: worker.engine.load.num_waiting == 3)
    worker.may_step.set()
    steps = []
    for message in stream.answers():
        if message.HasField("step"):
            steps.append(len(message.step.events))
        if sum(steps) == 8:
            break
    assert steps == [2, 6]


def test_a_refusal_says_what_is_wrong_and_comes_alone(stream: RawStream) -> None:
    stream.submit("bad", max_tokens=9_000)
    ((request_id, (said,)),) = stream.outcomes(1).items()
    assert isinstance(said, pb.AttachResponse)
    failure = said.refused.failure
    assert (request_id, failure.name, failure.code) == ("bad", "InvalidRequestError", 3)
    assert "shorten the prompt or ask for fewer" in failure.message
    assert not failure.retryable
    assert not failure.HasField("retry_after_s")


def test_a_worker_that_is_full_says_when_to_come_back(worker: PaperWorker, stream: RawStream) -> None:
    worker.may_step.clear()
    stream.submit("many", num_choices=20, max_tokens=2)
    wait_until(lambda: worker.engine.num_requests == 1)
    stream.submit("too many", num_choices=20, max_tokens=2)
    for message in stream.answers():
        if message.HasField("refused"):
            break
    failure = message.refused.failure
    assert (failure.name, failure.retryable) == ("CapacityError", True)
    assert failure.retry_after_s > 0


def test_two_gateways_may_use_one_request_id(worker: PaperWorker, stream: RawStream) -> None:
    other = RawStream(worker.server.address)
    stream.submit("same", max_tokens=9)
    other.submit("same", max_tokens=5)
    assert tokens_of(stream.outcomes(1)["same"]) == alone(worker, 9)
    assert tokens_of(other.outcomes(1)["same"]) == alone(worker, 5)
    other.close()


def test_one_stream_may_use_an_id_again_when_it_is_free(worker: PaperWorker, stream: RawStream) -> None:
    worker.may_step.clear()
    stream.submit("same", max_tokens=2)
    stream.submit("same", max_tokens=2)
    for message in stream.answers():
        if message.HasField("refused"):
            break
    assert "already on this stream" in message.refused.failure.message
    worker.may_step.set()
    stream.outcomes(1)
    stream.submit("same", max_tokens=3)
    assert tokens_of(stream.outcomes(1)["same"]) == alone(worker, 3)


def test_cancel_ends_a_request_and_frees_its_pages(worker: PaperWorker, stream: RawStream) -> None:
    worker.step_s = SLOW_S
    stream.submit("long")
    wait_until(lambda: worker.num_free_pages < 200)
    stream.cancel("long")
    stream.cancel("never heard of")
    said = stream.outcomes(1)["long"]
    assert isinstance(said[-1], pb.Event)
    assert said[-1].ended.failure.name == "RequestCancelledError"
    wait_until(lambda: worker.num_free_pages == 200)


@pytest.mark.parametrize("how", ["breaks", "ends"])
def test_a_stream_that_is_gone_cancels_its_requests_and_no_others(
    worker: PaperWorker, stream: RawStream, how: str
) -> None:
    worker.step_s = SLOW_S
    leaving = RawStream(worker.server.address)
    for number in range(3):
        leaving.submit(f"{number}")
    stream.submit("stays")
    wait_until(lambda: worker.engine.num_requests == 4)
    leaving.close() if how == "breaks" else leaving.leave()
    wait_until(lambda: worker.engine.num_requests == 1)
    wait_until(lambda: worker.switchboard.num_open == 1)
    stream.cancel("stays")
    stream.outcomes(1)
    wait_until(lambda: worker.num_free_pages == 200)
    leaving.close()


def test_a_gateway_that_does_not_read_is_cut_off() -> None:
    """Its stream is ended, its requests are cancelled; the others notice nothing: 32 reports are for one."""
    worker = PaperWorker(max_reports=100, max_waiting=500)
    lazy, eager = RawStream(worker.server.address, is_narrow=True), RawStream(worker.server.address)
    for number in range(300):  # more than the connection holds and the queue
        lazy.submit(f"{number}", max_tokens=60)
    eager.submit("eager", max_tokens=30)
    assert tokens_of(eager.outcomes(1)["eager"]) == alone(worker, 30)
    wait_until(lambda: worker.switchboard.num_open == 1)
    wait_until(lambda: worker.engine.num_requests == 0)
    assert worker.num_free_pages == 200
    with pytest.raises(grpc.RpcError) as caught:
        lazy.outcomes(500)
    assert status_of(caught.value) is grpc.StatusCode.CANCELLED
    for stream in (lazy, eager):
        stream.close()
    worker.shut_down()


def test_loads_come_by_themselves(worker: PaperWorker, stream: RawStream) -> None:
    loads = stream.loads()
    first = next(loads)
    assert (first.num_running, first.num_free_pages, first.num_pages, first.epoch) == (0, 200, 200, 7)
    assert first.state == pb.SERVING_STATE_SERVING
    worker.may_step.clear()
    stream.submit("one", max_tokens=9)
    assert any(load.num_running == 1 for load in loads)
    worker.may_step.set()


def test_describe(worker: PaperWorker) -> None:
    control = AttentionControl(worker.server.address)
    said = control.describe(PATIENCE_S)
    assert (said.model_fingerprint, said.vocab_size) == ("paper", 50)
    assert said.context_limit == worker.engine.context_limit
    assert said.load.state is ServingState.SERVING
    assert said.vocabulary is None
    control.close()


def test_a_worker_with_a_tokenizer_says_which_vocabulary_it_has() -> None:
    worker = PaperWorker(served=replace(PAPER, vocabulary="0123456789abcdef"))
    control = AttentionControl(worker.server.address)
    assert control.describe(PATIENCE_S).vocabulary == "0123456789abcdef"
    control.close()
    worker.shut_down()


def test_drain_takes_nothing_new_and_finishes_what_runs(worker: PaperWorker, stream: RawStream) -> None:
    control = AttentionControl(worker.server.address)
    worker.may_step.clear()
    stream.submit("running", max_tokens=6)
    wait_until(lambda: worker.engine.num_requests == 1)
    assert health_of(worker) == health_pb2.HealthCheckResponse.SERVING
    assert control.drain(0.01) == 1
    assert health_of(worker) == health_pb2.HealthCheckResponse.NOT_SERVING
    assert control.describe(PATIENCE_S).load.state is ServingState.DRAINING
    stream.submit("late", max_tokens=2)
    for message in stream.answers():
        if message.HasField("refused"):
            break
    assert message.refused.failure.name == "EngineStoppedError"
    worker.may_step.set()
    assert control.drain(PATIENCE_S) == 0
    assert tokens_of(stream.outcomes(1)["running"]) == alone(worker, 6)
    control.close()


def test_an_engine_that_breaks_ends_its_requests_and_is_reported_unfit(
    worker: PaperWorker, stream: RawStream
) -> None:
    worker.fail_with = RuntimeError("the device is gone")
    stream.submit("one", max_tokens=6)
    said = stream.outcomes(1)["one"]
    assert isinstance(said[-1], pb.Event)
    failure = said[-1].ended.failure
    assert (failure.name, failure.code, failure.retryable) == ("EngineStoppedError", 14, True)
    wait_until(lambda: health_of(worker) == health_pb2.HealthCheckResponse.NOT_SERVING)


def test_the_services_can_be_listed(worker: PaperWorker) -> None:
    with grpc.insecure_channel(worker.server.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = stub.ServerReflectionInfo(iter([asked]), timeout=PATIENCE_S)  # type: ignore[operator]
    assert SERVICE in {service.name for service in answer.list_services_response.service}
