"""Serves POST /v1/completions: body in, a call for each prompt, chunks or one answer out."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial

from gateway.calls.call import Call
from gateway.http_face.body_check import check_body
from gateway.http_face.call_opening import call_request
from gateway.http_face.completions.answer import CALL_PREFIX, CompletionAnswer, CompletionAnswerBody
from gateway.http_face.completions.body import CompletionBody
from gateway.http_face.completions.reading import read_together
from gateway.http_face.endpoint import GENERATING, Endpoint
from gateway.http_face.event_stream import send_events
from gateway.http_face.exchange import Exchange
from gateway.http_face.token_names import TokenNames
from gateway.inference import Inference
from gateway.text.text_request import TextRequest
from workers.engine.events import Event, RequestEnded


def completion_endpoints(inference: Inference) -> tuple[Endpoint, ...]:
    names = TokenNames(inference.model)
    return (
        Endpoint(
            "POST",
            "/v1/completions",
            partial(_serve, inference, names),
            "Plain text or tokens in, what follows them out; no messages, no harmony",
            body=CompletionBody,
            answer=CompletionAnswerBody,
            is_streamed=True,
            other_statuses=GENERATING,
        ),
    )


async def _serve(inference: Inference, names: TokenNames, exchange: Exchange) -> None:
    body = check_body(CompletionBody, await exchange.body_object())
    inference.model.check_name(body.model)
    with_usage = body.wants_usage_chunk
    requests = body.requests()
    body.check_vocabulary(inference.model)
    async with exchange.while_connected():
        calls = await _open(inference, exchange, requests)
        answer = CompletionAnswer(
            calls[0].call_id,
            body.model,
            names,
            num_prompts=len(calls),
            num_choices=body.num_choices,
            with_logprobs=body.logprobs is not None,
        )
        if body.is_stream:
            await send_events(exchange, _stream(calls, answer, with_usage=with_usage))
        else:
            await exchange.send_json(await _whole(calls, answer))


async def _open(
    inference: Inference, exchange: Exchange, requests: Sequence[TextRequest]
) -> list[Call[Event]]:
    """All, or none of them runs for this request alone: what others read under its key goes on."""
    calls: list[Call[Event]] = []
    begun: list[Call[Event]] = []  # of those, the ones that no request before it has begun
    try:
        for part, request in enumerate(requests):
            wanted = call_request(exchange, CALL_PREFIX, part)
            call = await inference.text(request, wanted)
            calls.append(call)
            if call.call_id == wanted.call_id:
                begun.append(call)
    except BaseException:
        for call in begun:
            if not call.has_reader:
                call.cancel()
        raise
    return calls


async def _stream(
    calls: Sequence[Call[Event]], answer: CompletionAnswer, *, with_usage: bool
) -> AsyncGenerator[bytes, None]:
    async with aclosing(read_together(calls)) as news:
        async for prompt, events in news:
            answer.take(prompt, events)
            if data := answer.chunk(with_usage=with_usage):
                yield data
            _raise_error(events)
    if with_usage:
        yield answer.usage_chunk()


async def _whole(calls: Sequence[Call[Event]], answer: CompletionAnswer) -> dict[str, object]:
    async with aclosing(read_together(calls)) as news:
        async for prompt, events in news:
            answer.take(prompt, events)
            _raise_error(events)
    return answer.document()


def _raise_error(events: Sequence[Event]) -> None:
    last = events[-1]
    if isinstance(last, RequestEnded) and last.error is not None:
        raise last.error
