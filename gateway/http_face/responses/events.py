"""The events of a response as server-sent events, with the types and fields that OpenAI's clients read.

Pure. Each event stands under its type and carries its number: who lost the stream goes on behind it.
"""

from collections.abc import Sequence

from gateway.http_face.json_text import json_bytes
from gateway.http_face.responses.answer import (
    Json,
    item_json,
    logprobs_json,
    reasoning_part,
    response_json,
    text_part,
)
from gateway.http_face.token_names import TokenNames
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

TextEvent = PartAdded | TextDelta | TextDone | PartDone


def batch_bytes(batch: EventBatch, names: TokenNames) -> bytes:
    """One write for all that is new."""
    return b"".join(
        _event_bytes(event, batch.first + index, names) for index, event in enumerate(batch.events)
    )


def event_json(event: ResponseEvent, number: int, names: TokenNames) -> Json:
    kind, fields = _described(event, names)
    return {"type": f"response.{kind}", "sequence_number": number, **fields}


def _event_bytes(event: ResponseEvent, number: int, names: TokenNames) -> bytes:
    document = event_json(event, number, names)
    return b"event: %b\ndata: %b\n\n" % (str(document["type"]).encode(), json_bytes(document))


def _described(event: ResponseEvent, names: TokenNames) -> tuple[str, Json]:
    """-> its type and its own fields."""
    match event:
        case TextDelta() | TextDone() | PartAdded() | PartDone():
            kind, fields = _of_text(event, names)
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
            return "output_item.added", _item(event, names)
        case ItemDone():
            return "output_item.done", _item(event, names)
        case ResponseMoment():
            return event.moment.value, {"response": response_json(event.response, names)}


def _of_text(event: TextEvent, names: TokenNames) -> tuple[str, Json]:
    match event:
        case TextDelta():
            return f"{event.kind.value}.delta", {"delta": event.text, **_logprobs(event, names)}
        case TextDone():
            return f"{event.kind.value}.done", {"text": event.text, **_logprobs(event, names)}
        case PartAdded():
            return "content_part.added", {"part": _part(event.kind, "", (), names)}
        case PartDone():
            return "content_part.done", {"part": _part(event.kind, event.text, event.logprobs, names)}


def _logprobs(event: TextDelta | TextDone, names: TokenNames) -> Json:
    if event.kind is TextKind.REASONING:
        return {}
    return {"logprobs": logprobs_json(event.logprobs, names)}


def _part(kind: TextKind, text: str, logprobs: Sequence[PositionLogprobs], names: TokenNames) -> Json:
    return reasoning_part(text) if kind is TextKind.REASONING else text_part(text, logprobs, names)


def _item(event: ItemAdded | ItemDone, names: TokenNames) -> Json:
    return {"output_index": event.output_index, "item": item_json(event.item, names)}
