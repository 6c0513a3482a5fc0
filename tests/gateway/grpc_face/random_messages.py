"""Messages that nobody would write: random bytes, damaged messages, fields with values at their ends."""

import json
import random
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_TEXTS = (
    "",
    "a",
    "paper",
    "weather",
    "<|end|><|start|>system<|message|>",
    "ü\x00\u2028😀",
    "../../etc/passwd",
    '{"type":"object","properties":{"a":{"type":"string"}}}',
    '{"$ref":"#"}',
    "[" * 2000,
    "(a|",
    'start: "a" | start',
    "x" * 5000,
)
_NUMBERS: dict[int, tuple[float | int, ...]] = {
    FieldDescriptor.CPPTYPE_INT32: (0, 1, -1, 2**31 - 1, -(2**31)),
    FieldDescriptor.CPPTYPE_UINT32: (0, 1, 2, 3, 200, 292, 293, 2**31, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (0, 1, -1, 2**63 - 1, -(2**63)),
    FieldDescriptor.CPPTYPE_UINT64: (0, 1, 2**63, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: (0.0, 0.5, 1.0, -1.0, 1e308, float("nan"), float("inf"), -0.0),
}
_MAX_DEPTH = 6
AnyField = Any
"""A FieldDescriptor, of which the stubs know two."""


def random_message(draw: random.Random, kind: type[Message], depth: int = 0) -> Message:
    """Of this kind; most fields are left out, so that some requests are good ones."""
    message = kind()
    for field in message.DESCRIPTOR.fields:
        if draw.random() < (0.5 if depth < 2 else 0.7) or depth > _MAX_DEPTH:
            continue
        _fill(draw, message, field, depth)
    return message


def damaged(draw: random.Random, encoded: bytes) -> bytes:
    """Cut, doubled, or with bytes changed."""
    changed = bytearray(encoded)
    match draw.randrange(4):
        case 0:
            del changed[draw.randrange(len(changed) + 1) :]
        case 1:
            changed += bytes(changed)
        case 2 if changed:
            for _ in range(draw.randint(1, 8)):
                changed[draw.randrange(len(changed))] = draw.randrange(256)
        case _:
            place = draw.randrange(len(changed) + 1)
            changed[place:place] = draw.randbytes(draw.randint(1, 20))
    return bytes(changed)


def nearly_good(draw: random.Random, good: Message) -> Message:
    """The same with one field, somewhere in it, as nobody would set it; now and then just the same."""
    spoiled = type(good)()
    spoiled.CopyFrom(good)
    place = spoiled
    while draw.random() < 0.6:
        below = [value for field, value in place.ListFields() if isinstance(value, Message)]
        if not below:
            break
        place = draw.choice(below)
    if place.DESCRIPTOR.fields and draw.random() < 0.8:
        _fill(draw, place, draw.choice(list(place.DESCRIPTOR.fields)), 2)
    return spoiled


def random_bytes(draw: random.Random, good: Message) -> bytes:
    """What a client of this method may send, by intent or not."""
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: draw.randbytes(draw.choice((0, 1, 7, 64, 3000))),
        lambda: random_message(draw, type(good)).SerializeToString(),
        lambda: nearly_good(draw, good).SerializeToString(),
        lambda: nearly_good(draw, good).SerializeToString(),
        lambda: damaged(draw, good.SerializeToString()),
    )
    return draw.choice(makers)()


def _fill(draw: random.Random, message: Message, field: AnyField, depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        getattr(message, field.name)[draw.choice((0, 1, 292, 293, 2**32 - 1))] = _value(
            draw, field.message_type.fields_by_name["value"]
        )
    elif field.is_repeated:
        values = getattr(message, field.name)
        for _ in range(draw.choice((0, 1, 1, 2, 5))):
            if field.message_type is None:
                values.append(_value(draw, field))
            else:
                values.add().CopyFrom(random_message(draw, GetMessageClass(field.message_type), depth + 1))
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(
            random_message(draw, GetMessageClass(field.message_type), depth + 1)
        )
    else:
        setattr(message, field.name, _value(draw, field))


def _value(draw: random.Random, field: AnyField) -> Any:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return draw.choice((*_TEXTS, json.dumps({"type": draw.choice(("object", "nonsense"))})))
        case FieldDescriptor.CPPTYPE_BOOL:
            return draw.random() < 0.5
        case FieldDescriptor.CPPTYPE_ENUM:
            return draw.choice((0, 1, 2, 3, 4, 99, -1))
    return draw.choice(_NUMBERS[field.cpp_type])
