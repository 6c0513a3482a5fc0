"""How tokens shall be generated: from messages of inference.proto to our own dataclasses, which check it.

Not here: prompts and conversations (`request_codec`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import Message

from gateway.harmony.settings import ReasoningEffort
from gateway.options import GenerationOptions
from model.sampling.parameters import SamplingParameters
from protos.errors import InvalidRequestError
from protos.gen.v1 import inference_pb2 as pb
from workers.engine.request import Priority, StopRules
from workers.grammar.spec import GrammarSpec

_PRIORITIES = {
    pb.PRIORITY_UNSPECIFIED: Priority.NORMAL,
    pb.PRIORITY_INTERACTIVE: Priority.INTERACTIVE,
    pb.PRIORITY_NORMAL: Priority.NORMAL,
    pb.PRIORITY_BATCH: Priority.BATCH,
}
_EFFORTS = {
    pb.REASONING_EFFORT_UNSPECIFIED: ReasoningEffort.MEDIUM,
    pb.REASONING_EFFORT_LOW: ReasoningEffort.LOW,
    pb.REASONING_EFFORT_MEDIUM: ReasoningEffort.MEDIUM,
    pb.REASONING_EFFORT_HIGH: ReasoningEffort.HIGH,
}
_SAMPLING = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "logprobs",
    "prompt_logprobs",
)
_OPTIONS = ("max_tokens", "min_tokens", "num_choices", "reasoning_budget")


def options_from_message(message: pb.GenerationOptions, timeout_s: float | None) -> GenerationOptions:
    """`timeout_s` is what the call's deadline leaves."""
    return GenerationOptions(
        sampling=SamplingParameters(
            **_given(message.sampling, _SAMPLING), logit_bias=dict(message.sampling.logit_bias)
        ),
        stop=StopRules(
            strings=tuple(message.stop.strings),
            token_ids=frozenset(message.stop.token_ids),
            **_given(message.stop, ("model_stops",)),
        ),
        priority=priority_from_message(message.priority),
        timeout_s=timeout_s,
        **_given(message, _OPTIONS),
    )


def priority_from_message(number: pb.Priority) -> Priority:
    if number not in _PRIORITIES:
        raise InvalidRequestError(f"the priority is {number}, which this gateway does not know").about(
            "priority"
        )
    return _PRIORITIES[number]


def effort_from_message(number: pb.ReasoningEffort) -> ReasoningEffort:
    if number not in _EFFORTS:
        raise InvalidRequestError(
            f"the reasoning effort is {number}, which this gateway does not know"
        ).about("reasoning_effort")
    return _EFFORTS[number]


def grammar_from_message(message: pb.Grammar) -> GrammarSpec:
    match message.WhichOneof("grammar"):
        case "json_schema":
            return GrammarSpec.json_schema(message.json_schema)
        case "json_object":
            return GrammarSpec.json_object()
        case "regex":
            return GrammarSpec.regex(message.regex)
        case "choice":
            return GrammarSpec.choice(*message.choice.choices)
        case "lark":
            return GrammarSpec.lark(message.lark)
    raise InvalidRequestError(
        "the grammar is of no kind that this gateway knows; leave it out, or say which it is"
    ).about("grammar")


def _given(message: Message, names: Sequence[str]) -> Mapping[str, Any]:
    """What the message does not say gets the default of our own class."""
    return {name: getattr(message, name) for name in names if message.HasField(name)}
