"""Requests between gateways and attention workers: our dataclasses to messages of attention.proto, and back.

What a message may say and a request may not be is refused here or by the request itself, in words. Not here:
limits of the model (workers.engine.admission). Torch-free: gateways use it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import Message

from model.sampling.parameters import SamplingParameters
from protos.errors import InvalidGrammarError, InvalidRequestError
from protos.gen.v1 import attention_pb2 as pb
from workers.attention.finish_codec import finish_from_message, finish_to_message
from workers.engine.request import GenerationRequest, Priority, StopRules
from workers.engine.written import Written, WrittenChoice
from workers.grammar.spec import GrammarKind, GrammarSpec

_PRIORITIES = {
    pb.PRIORITY_UNSPECIFIED: Priority.NORMAL,
    pb.PRIORITY_INTERACTIVE: Priority.INTERACTIVE,
    pb.PRIORITY_NORMAL: Priority.NORMAL,
    pb.PRIORITY_BATCH: Priority.BATCH,
}
_GRAMMARS = {
    pb.GRAMMAR_KIND_JSON_SCHEMA: GrammarKind.JSON_SCHEMA,
    pb.GRAMMAR_KIND_JSON_OBJECT: GrammarKind.JSON_OBJECT,
    pb.GRAMMAR_KIND_REGEX: GrammarKind.REGEX,
    pb.GRAMMAR_KIND_CHOICE: GrammarKind.CHOICE,
    pb.GRAMMAR_KIND_LARK: GrammarKind.LARK,
}
_PRIORITY_TO_NUMBER = {priority: number for number, priority in _PRIORITIES.items()}
_GRAMMAR_TO_NUMBER = {kind: number for number, kind in _GRAMMARS.items()}
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
_REQUEST = (
    "max_tokens",
    "min_tokens",
    "num_choices",
    "reasoning_budget",
    "echo",
    "timeout_s",
    "cache_salt",
)


def request_to_message(request: GenerationRequest, request_id: str) -> pb.GenerationRequest:
    """Under the id that it has on the wire. Refused if a number is too large for the message."""
    try:
        return pb.GenerationRequest(
            request_id=request_id,
            prompt=request.prompt,
            sampling=pb.SamplingParameters(
                **_set(request.sampling, _SAMPLING), logit_bias=request.sampling.logit_bias
            ),
            stop=pb.StopRules(
                strings=request.stop.strings,
                token_ids=sorted(request.stop.token_ids),
                model_stops=request.stop.model_stops,
            ),
            grammar=None if request.grammar is None else _grammar_to_message(request.grammar),
            priority=_PRIORITY_TO_NUMBER[request.priority],
            written=None if request.written is None else _written_to_message(request.written),
            **_set(request, _REQUEST),
        )
    except ValueError as error:
        raise InvalidRequestError(f"the request cannot be sent to an attention worker: {error}") from error


def request_from_message(message: pb.GenerationRequest, request_id: str) -> GenerationRequest:
    """Under the id that it shall have here."""
    if message.priority not in _PRIORITIES:
        raise InvalidRequestError(f"priority is {message.priority}, which this worker does not know")
    return GenerationRequest(
        request_id,
        tuple(message.prompt),
        SamplingParameters(
            **_given(message.sampling, _SAMPLING), logit_bias=dict(message.sampling.logit_bias)
        ),
        stop=StopRules(
            strings=tuple(message.stop.strings),
            token_ids=frozenset(message.stop.token_ids),
            **_given(message.stop, ("model_stops",)),
        ),
        grammar=_grammar_from_message(message.grammar) if message.HasField("grammar") else None,
        priority=_PRIORITIES[message.priority],
        written=_written_from_message(message.written) if message.HasField("written") else None,
        **_given(message, _REQUEST),
    )


def _set(values: object, names: Sequence[str]) -> Mapping[str, Any]:
    """None is left out of a message."""
    return {name: value for name in names if (value := getattr(values, name)) is not None}


def _given(message: Message, names: Sequence[str]) -> Mapping[str, Any]:
    """What the message does not say gets the default of our own class."""
    return {name: getattr(message, name) for name in names if message.HasField(name)}


def _grammar_to_message(spec: GrammarSpec) -> pb.GrammarSpec:
    return pb.GrammarSpec(kind=_GRAMMAR_TO_NUMBER[spec.kind], text=spec.text or None, choices=spec.choices)


def _grammar_from_message(message: pb.GrammarSpec) -> GrammarSpec:
    kind = _GRAMMARS.get(message.kind)
    if kind is None:
        raise InvalidGrammarError(f"the kind of grammar is {message.kind}, which this worker does not know")
    takes_text = kind not in (GrammarKind.CHOICE, GrammarKind.JSON_OBJECT)
    if message.text and not takes_text:
        raise InvalidGrammarError(f"{kind}: a text of {len(message.text)} characters is given; it takes none")
    if message.choices and kind is not GrammarKind.CHOICE:
        raise InvalidGrammarError(f"{kind}: {len(message.choices)} choices are given; it takes none")
    return GrammarSpec(kind, message.text, tuple(message.choices))


def _written_to_message(written: Written) -> pb.Written:
    choices = [
        pb.WrittenChoice(
            token_ids=choice.token_ids,
            num_characters=choice.num_characters,
            finish=finish_to_message(choice.finish),
            num_hidden=choice.num_hidden,
        )
        for choice in written.choices
    ]
    return pb.Written(choices=choices, prompt_told=written.prompt_told)


def _written_from_message(message: pb.Written) -> Written:
    choices = tuple(
        WrittenChoice(
            tuple(choice.token_ids),
            choice.num_characters,
            finish_from_message(choice.finish),
            choice.num_hidden,
        )
        for choice in message.choices
    )
    return Written(choices, message.prompt_told)
