"""Serves POST /v1/chat/completions: body in, call opened, chunks or one answer out."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from gateway.calls.call import Call
from gateway.calls.whole import read_whole
from gateway.chat.chat_events import ChatEvent
from gateway.chat.chat_request import ChatRequest
from gateway.chat.chat_result import ChatResult
from gateway.http_face.body_check import check_body
from gateway.http_face.call_opening import call_request
from gateway.http_face.chat.answer import CALL_PREFIX, AnswerHead, ChatAnswerBody, chat_document
from gateway.http_face.chat.body import ChatBody
from gateway.http_face.chat.chunks import ChatChunks
from gateway.http_face.endpoint import GENERATING, Endpoint
from gateway.http_face.event_stream import send_events
from gateway.http_face.exchange import Exchange
from gateway.http_face.token_names import TokenNames
from gateway.inference import Inference
from workers.engine.events import RequestEnded


def chat_endpoints(inference: Inference) -> tuple[Endpoint, ...]:
    names = TokenNames(inference.model)
    return (
        Endpoint(
            "POST",
            "/v1/chat/completions",
            partial(_serve, inference, names),
            "Chat: messages and tools in, reasoning, an answer or a tool call out",
            body=ChatBody,
            answer=ChatAnswerBody,
            is_streamed=True,
            other_statuses=GENERATING,
        ),
    )


async def _serve(inference: Inference, names: TokenNames, exchange: Exchange) -> None:
    body = check_body(ChatBody, await exchange.body_object())
    inference.model.check_name(body.model)
    with_usage = body.wants_usage_chunk
    request = body.request()
    body.check_vocabulary(inference.model)
    async with exchange.while_connected():
        call = await inference.chat(request, call_request(exchange, CALL_PREFIX))
        head = AnswerHead(call.call_id, body.model, names, bool(body.logprobs))
        if body.is_stream:
            await send_events(exchange, _stream(call, ChatChunks(head, with_usage=with_usage)))
        else:
            await exchange.send_json(chat_document(head, await _whole(call, request)))


async def _stream(call: Call[ChatEvent], chunks: ChatChunks) -> AsyncGenerator[bytes, None]:
    async with aclosing(call.batches()) as batches:
        async for batch in batches:
            if data := chunks.encode(batch.events):
                yield data
            last = batch.events[-1]
            if isinstance(last, RequestEnded) and last.error is not None:
                raise last.error


async def _whole(call: Call[ChatEvent], request: ChatRequest) -> ChatResult:
    result = ChatResult(request.options.num_choices)
    await read_whole(call, result.take)
    return result
