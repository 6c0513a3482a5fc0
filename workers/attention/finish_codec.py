"""Finish reasons between gateways and attention workers; requests that go on carry them, and deltas."""

from protos.gen.v1 import attention_pb2 as pb
from workers.engine.events import FinishReason

_FINISHES = {pb.FINISH_REASON_STOP: FinishReason.STOP, pb.FINISH_REASON_LENGTH: FinishReason.LENGTH}
_FINISH_TO_NUMBER = {finish: number for number, finish in _FINISHES.items()}


def finish_to_message(finish: FinishReason | None) -> pb.FinishReason:
    return pb.FINISH_REASON_UNSPECIFIED if finish is None else _FINISH_TO_NUMBER[finish]


def finish_from_message(number: pb.FinishReason) -> FinishReason | None:
    """A reason that only a newer worker knows is a stop: the choice has ended by itself."""
    return None if number == pb.FINISH_REASON_UNSPECIFIED else _FINISHES.get(number, FinishReason.STOP)
