"""What clients are told, event by event: of texts and chats, to messages of inference.proto.

Adjacent deltas of one kind and choice become one. Not here: whole answers (`result_codec`), and when anything
is told (`inference_service`).
"""

from collections.abc import Iterator, Sequence
from typing import assert_never

from gateway.chat.chat_events import (
    ChatEvent,
    ChatFinish,
    ChoiceEnded,
    ContentDelta,
    ReasoningDelta,
    ToolArgumentsDelta,
    ToolCallBegan,
)
from gateway.client_error import told
from gateway.grpc_face.joined import joined
from gateway.harmony.settings import Channel
from model.sampling.sampled_tokens import PositionLogprobs
from protos.errors import ExpertMeshError
from protos.failure import Failure
from protos.gen.v1 import inference_pb2 as pb
from workers.engine.events import ChoiceDelta, Event, FinishReason, PromptEcho, RequestEnded, Usage

AnyEvent = Event | ChatEvent

_FINISHES = {
    FinishReason.STOP: pb.FINISH_REASON_STOP,
    FinishReason.LENGTH: pb.FINISH_REASON_LENGTH,
    ChatFinish.STOP: pb.FINISH_REASON_STOP,
    ChatFinish.LENGTH: pb.FINISH_REASON_LENGTH,
    ChatFinish.LENGTH_IN_REASONING: pb.FINISH_REASON_LENGTH_IN_REASONING,
    ChatFinish.TOOL_CALLS: pb.FINISH_REASON_TOOL_CALLS,
}
_CHANNELS = {Channel.FINAL: pb.CHANNEL_FINAL, Channel.COMMENTARY: pb.CHANNEL_COMMENTARY}


def events_to_messages(events: Sequence[AnyEvent]) -> Iterator[pb.Event]:
    for event in joined(events):
        yield from _event(event)


def _event(event: AnyEvent) -> Iterator[pb.Event]:
    match event:
        case ChoiceDelta():
            if event.token_ids or event.text:
                yield pb.Event(text_delta=text_delta(event))
            if event.finish is not None:
                yield pb.Event(choice_ended=text_end(event, event.finish))
        case ContentDelta():
            yield pb.Event(content_delta=_content(event))
        case ReasoningDelta():
            yield pb.Event(
                reasoning_delta=pb.ReasoningDelta(
                    choice=event.choice, text=event.text, num_tokens=event.num_tokens
                )
            )
        case ToolArgumentsDelta():
            yield pb.Event(
                tool_arguments_delta=pb.ToolArgumentsDelta(
                    choice=event.choice,
                    call_index=event.call_index,
                    text=event.text,
                    num_tokens=event.num_tokens,
                )
            )
        case ToolCallBegan():
            yield pb.Event(
                tool_call_began=pb.ToolCallBegan(
                    choice=event.choice, call_index=event.call_index, call_id=event.call_id, name=event.name
                )
            )
        case ChoiceEnded():
            yield pb.Event(choice_ended=chat_end(event))
        case PromptEcho():
            yield pb.Event(prompt_echo=echo_to_message(event))
        case RequestEnded():
            failure = None if event.error is None else _failure(event.error, event.request_id)
            yield pb.Event(
                request_ended=pb.RequestEnded(usage=usage_to_message(event.usage), failure=failure)
            )
        case _:
            assert_never(event)


def text_delta(delta: ChoiceDelta) -> pb.TextDelta:
    return pb.TextDelta(
        choice=delta.choice,
        token_ids=delta.token_ids,
        text=delta.text,
        logprobs=logprobs_to_message(delta.logprobs),
    )


def text_end(delta: ChoiceDelta, finish: FinishReason) -> pb.ChoiceEnded:
    by = delta.stopped_by
    return pb.ChoiceEnded(
        choice=delta.choice,
        finish=_FINISHES[finish],
        stop_string=by if isinstance(by, str) else None,
        stop_token=by if isinstance(by, int) else None,
        num_hidden=delta.num_hidden,
    )


def chat_end(event: ChoiceEnded) -> pb.ChoiceEnded:
    return pb.ChoiceEnded(
        choice=event.choice,
        finish=_FINISHES[event.finish],
        stop_string=event.stopped_by,
        num_recoveries=event.num_recoveries,
    )


def echo_to_message(echo: PromptEcho) -> pb.PromptEcho:
    scored = [entry for entry in echo.logprobs if entry is not None]  # the first token has none
    return pb.PromptEcho(token_ids=echo.token_ids, text=echo.text, logprobs=logprobs_to_message(scored))


def logprobs_to_message(positions: Sequence[PositionLogprobs]) -> pb.Logprobs | None:
    if not positions:
        return None
    tops = [entry for position in positions for entry in position.top]
    return pb.Logprobs(
        chosen_ids=[position.chosen.token_id for position in positions],
        chosen_logprobs=[position.chosen.logprob for position in positions],
        num_tops=[len(position.top) for position in positions],
        top_ids=[entry.token_id for entry in tops],
        top_logprobs=[entry.logprob for entry in tops],
    )


def usage_to_message(usage: Usage) -> pb.Usage:
    return pb.Usage(
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        queue_s=usage.queue_s,
        compute_s=usage.compute_s,
    )


def _content(delta: ContentDelta) -> pb.ContentDelta:
    return pb.ContentDelta(
        choice=delta.choice,
        text=delta.text,
        channel=_CHANNELS[delta.channel],
        logprobs=logprobs_to_message(delta.logprobs),
        num_tokens=delta.num_tokens,
    )


def _failure(error: ExpertMeshError, request_id: str) -> pb.Failure:
    failure = Failure.of(told(error, request_id, "the end of its stream"))
    return pb.Failure(
        code=failure.code,
        reason=failure.name,
        message=failure.message,
        retryable=failure.retryable,
        retry_after_s=failure.retry_after_s,
    )
