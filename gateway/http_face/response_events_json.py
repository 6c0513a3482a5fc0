"""The events of a response as server-sent events, with the types and fields that OpenAI's clients read.

Pure. Each event stands under its type and carries its number: who lost the stream goes on behind it.
"""

from collections.abc import Sequence

from gateway.http_face.json_text import json_bytes
from gateway.http_face.response_json import (
    Json,
    item_json,
    logprobs_json,
    reasoning_part,
    response_json,
    text_part,
)
from gateway.responses.live_response import EventBatch
from gateway.responses.response_events import (
    ArgumentsDelta,
    ArgumentsDone,
    ItemAdded,
    ItemDone,
    PartAdded,
    PartDone,
    ResponseEvent,
    ResponseMoment,
    TextDelta,
    TextDone,
    TextKind,
)
from model.sampling.sampled_tokens import PositionLogprobs
from model.tokenizer.tokenizer import Tokenizer

TextEvent = PartAdded | TextDelta | TextDone | PartDone


def batch_bytes(batch: EventBatch, tokenizer: Tokenizer) -> bytes:
    """One write for all that is new."""
    return b"".join(
        _event_bytes(event, batch.first + index, tokenizer) for index, event in enumerate(batch.events)
    )


def event_json(event: ResponseEvent, number: int, tokenizer: Tokenizer) -> Json:
    kind, fields = _described(event, tokenizer)
    return {"type": f"response.{kind}", "sequence_number": number, **fields}


def _event_bytes(event: ResponseEvent, number: int, tokenizer: Tokenizer) -> bytes:
    document = event_json(event, number, tokenizer)
    return b"event: %b\ndata: %b\n\n" % (str(document["type"]).encode(), json_bytes(document))


def _described(event: ResponseEvent, tokenizer: Tokenizer) -> tuple[str, Json]:
    """-> its type and its own fields."""
    match event:
        case TextDelta() | TextDone() | PartAdded() | PartDone():
            kind, fields = _of_text(event, tokenizer)
            place: Json = {"item_id": event.item_id, "output_index": event.output_index, "content_index": 0}
            return kind, {**place, **fields}
        case ArgumentsDelta():
            place = {"item_id": event.item_id, "output_index": event.output_index}
            return "function_call_arguments.delta", {**place, "delta": event.text}
        case ArgumentsDone():
            place = {"item_id": event.item_id, "output_index": event.output_index}
            done = {"name": event.name, "arguments": event.arguments}
            return "function_call_arguments.done", {**place, **done}
        case ItemAdded():
            return "output_item.added", _item(event, tokenizer)
        case ItemDone():
            return "output_item.done", _item(event, tokenizer)
        case ResponseMoment():
            return event.moment.value, {"response": response_json(event.response, tokenizer)}


def _of_text(event: TextEvent, tokenizer: Tokenizer) -> tuple[str, Json]:
    match event:
        case TextDelta():
            return f"{event.kind.value}.delta", {"delta": event.text, **_logprobs(event, tokenizer)}
        case TextDone():
            return f"{event.kind.value}.done", {"text": event.text, **_logprobs(event, tokenizer)}
        case PartAdded():
            return "content_part.added", {"part": _part(event.kind, "", (), tokenizer)}
        case PartDone():
            return "content_part.done", {"part": _part(event.kind, event.text, event.logprobs, tokenizer)}


def _logprobs(event: TextDelta | TextDone, tokenizer: Tokenizer) -> Json:
    if event.kind is TextKind.REASONING:
        return {}
    return {"logprobs": logprobs_json(event.logprobs, tokenizer)}


def _part(kind: TextKind, text: str, logprobs: Sequence[PositionLogprobs], tokenizer: Tokenizer) -> Json:
    return reasoning_part(text) if kind is TextKind.REASONING else text_part(text, logprobs, tokenizer)


def _item(event: ItemAdded | ItemDone, tokenizer: Tokenizer) -> Json:
    return {"output_index": event.output_index, "item": item_json(event.item, tokenizer)}
