"""What attention workers tell gateways: events, errors and loads to messages of attention.proto, and back.

Torch-free: gateways use it. Not here: when anything is told (`service`).
"""

from collections.abc import Sequence
from itertools import islice

from model.sampling.sampled_tokens import PositionLogprobs, TokenLogprob
from protos.errors import ExpertMeshError
from protos.failure import Failure
from protos.gen.v1 import attention_pb2 as pb
from workers.attention.finish_codec import finish_from_message, finish_to_message
from workers.engine.events import ChoiceDelta, Event, PromptEcho, RequestEnded, Usage
from workers.engine.load import EngineLoad, ServingState

_STATES = {
    pb.SERVING_STATE_SERVING: ServingState.SERVING,
    pb.SERVING_STATE_DRAINING: ServingState.DRAINING,
    pb.SERVING_STATE_STOPPED: ServingState.STOPPED,
}
_STATE_TO_NUMBER = {state: number for number, state in _STATES.items()}


def event_to_message(event: Event, request_id: str) -> pb.Event:
    """Under the id that the request has on the wire."""
    match event:
        case ChoiceDelta():
            return pb.Event(request_id=request_id, choice_delta=_delta_to_message(event))
        case PromptEcho():
            return pb.Event(request_id=request_id, prompt_echo=_echo_to_message(event))
        case RequestEnded():
            failure = None if event.error is None else error_to_message(event.error)
            return pb.Event(
                request_id=request_id, ended=pb.Ended(usage=_usage_to_message(event.usage), failure=failure)
            )


def event_from_message(message: pb.Event, request_id: str) -> Event | None:
    """Under the id that the request has here; None for an event that only a newer worker knows."""
    match message.WhichOneof("event"):
        case "choice_delta":
            return _delta_from_message(message.choice_delta, request_id)
        case "prompt_echo":
            return _echo_from_message(message.prompt_echo, request_id)
        case "ended":
            ended = message.ended
            error = error_from_message(ended.failure) if ended.HasField("failure") else None
            return RequestEnded(request_id, _usage_from_message(ended.usage), error)
    return None


def error_to_message(error: ExpertMeshError) -> pb.Failure:
    failure = Failure.of(error)
    return pb.Failure(
        code=failure.code,
        name=failure.name,
        message=failure.message,
        retryable=failure.retryable,
        retry_after_s=failure.retry_after_s,
    )


def error_from_message(message: pb.Failure) -> ExpertMeshError:
    retry_after_s = message.retry_after_s if message.HasField("retry_after_s") else None
    return Failure(message.code, message.name, message.message, message.retryable, retry_after_s).error()


def load_to_message(load: EngineLoad) -> pb.Load:
    return pb.Load(
        num_running=load.num_running,
        num_waiting=load.num_waiting,
        num_free_pages=load.num_free_pages,
        num_pages=load.num_pages,
        epoch=load.epoch,
        state=_STATE_TO_NUMBER[load.state],
    )


def load_from_message(message: pb.Load) -> EngineLoad:
    """A state that only a newer worker knows is one in which it takes nothing."""
    return EngineLoad(
        message.num_running,
        message.num_waiting,
        message.num_free_pages,
        message.num_pages,
        _STATES.get(message.state, ServingState.STOPPED),
        message.epoch if message.HasField("epoch") else None,
    )


def _delta_to_message(delta: ChoiceDelta) -> pb.ChoiceDelta:
    by = delta.stopped_by
    return pb.ChoiceDelta(
        choice=delta.choice,
        token_ids=delta.token_ids,
        text=delta.text,
        logprobs=_logprobs_to_message(delta.logprobs) if delta.logprobs else None,
        finish=finish_to_message(delta.finish),
        stop_string=by if isinstance(by, str) else None,
        stop_token=by if isinstance(by, int) else None,
        num_hidden=delta.num_hidden,
    )


def _delta_from_message(message: pb.ChoiceDelta, request_id: str) -> ChoiceDelta:
    stopped_by: str | int | None = None
    if message.HasField("stop_string"):
        stopped_by = message.stop_string
    elif message.HasField("stop_token"):
        stopped_by = message.stop_token
    return ChoiceDelta(
        request_id,
        message.choice,
        tuple(message.token_ids),
        message.text,
        _logprobs_from_message(message.logprobs),
        finish_from_message(message.finish),
        stopped_by,
        message.num_hidden,
    )


def _echo_to_message(echo: PromptEcho) -> pb.PromptEcho:
    scored = [entry for entry in echo.logprobs if entry is not None]  # the first token has none
    logprobs = _logprobs_to_message(scored) if echo.logprobs else None
    return pb.PromptEcho(token_ids=echo.token_ids, text=echo.text, logprobs=logprobs)


def _echo_from_message(message: pb.PromptEcho, request_id: str) -> PromptEcho:
    logprobs: tuple[PositionLogprobs | None, ...] = ()
    if message.HasField("logprobs"):
        logprobs = (None, *_logprobs_from_message(message.logprobs))
    return PromptEcho(request_id, tuple(message.token_ids), message.text, logprobs)


def _logprobs_to_message(positions: Sequence[PositionLogprobs]) -> pb.Logprobs:
    tops = [entry for position in positions for entry in position.top]
    return pb.Logprobs(
        chosen_ids=[position.chosen.token_id for position in positions],
        chosen_logprobs=[position.chosen.logprob for position in positions],
        num_tops=[len(position.top) for position in positions],
        top_ids=[entry.token_id for entry in tops],
        top_logprobs=[entry.logprob for entry in tops],
    )


def _logprobs_from_message(message: pb.Logprobs) -> tuple[PositionLogprobs, ...]:
    chosen = map(TokenLogprob, message.chosen_ids, message.chosen_logprobs)
    tops = map(TokenLogprob, message.top_ids, message.top_logprobs)
    return tuple(
        PositionLogprobs(entry, tuple(islice(tops, num_tops)))
        for entry, num_tops in zip(chosen, message.num_tops, strict=True)
    )


def _usage_to_message(usage: Usage) -> pb.Usage:
    return pb.Usage(
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        drafted_tokens=usage.drafted_tokens,
        accepted_tokens=usage.accepted_tokens,
        queue_s=usage.queue_s,
        compute_s=usage.compute_s,
    )


def _usage_from_message(message: pb.Usage) -> Usage:
    return Usage(
        message.prompt_tokens,
        message.cached_tokens,
        message.output_tokens,
        message.reasoning_tokens,
        message.drafted_tokens,
        message.accepted_tokens,
        message.queue_s,
        message.compute_s,
    )
