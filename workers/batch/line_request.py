"""Turns one line of the input file into a request for the engine, or says what is wrong with it.

docs/generate.md tells users the keys. Not here: limits that depend on the model (the engine's admission), and
whether another line has the same id (the runner).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from model.sampling.parameters import SamplingParameters
from model.strict_json import parse_object
from model.tokenizer.tokenizer import Tokenizer
from protos.errors import InvalidRequestError
from workers.batch.input_file import MAX_LINE_BYTES, InputLine
from workers.batch.line_fields import LineFields, as_number, as_text, refuse
from workers.engine.request import MAX_CHOICES, GenerationRequest, Priority, StopRules
from workers.grammar.spec import GrammarSpec

MAX_ID_BYTES = 1024

T = TypeVar("T")

_GRAMMAR_KEYS = ("json_schema", "json_object", "regex", "choice", "grammar")
KEYS = (
    "id", "prompt", "special_tokens", "max_tokens", "min_tokens", "n", "temperature", "top_k", "top_p",
    "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty", "logit_bias", "seed", "logprobs",
    "prompt_logprobs", "echo", "stop", "stop_token_ids", "ignore_model_stops", "reasoning_budget",
    *_GRAMMAR_KEYS, "timeout_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """A line that is JSON. `id` is None when it has none, or none that could be given back."""

    values: Mapping[str, object]
    id: str | None


def parse_line(line: InputLine) -> ParsedLine:
    """InvalidRequestError when it is no JSON object."""
    if line.content is None:
        raise InvalidRequestError(f"the line has more than {MAX_LINE_BYTES} bytes; send a smaller request")
    try:
        values = parse_object(line.content)
    except json.JSONDecodeError as error:
        raise InvalidRequestError(
            f"the line is not valid JSON: {error.msg}, at character {error.pos + 1}"
        ) from error
    except ValueError as error:
        raise InvalidRequestError(f"the line is not a request: {error}") from error
    try:
        return ParsedLine(values, _id_of(values))
    except InvalidRequestError:  # told with the rest of the line, by `request_of`
        return ParsedLine(values, None)


def request_of(parsed: ParsedLine, request_id: str, tokenizer: Tokenizer | None) -> GenerationRequest:
    """`request_id` is the engine's name for it, not the user's id."""
    _id_of(parsed.values)
    fields = LineFields(parsed.values, KEYS)
    return GenerationRequest(
        request_id=request_id,
        prompt=_prompt(fields, tokenizer),
        sampling=_sampling(fields),
        max_tokens=fields.integer("max_tokens"),
        min_tokens=_or(fields.integer("min_tokens"), 0),
        num_choices=_num_choices(fields),
        stop=_stop(fields),
        grammar=_grammar(fields),
        reasoning_budget=fields.integer("reasoning_budget"),
        echo=fields.flag("echo") or False,
        priority=Priority.BATCH,
        timeout_s=fields.number("timeout_s"),
    )


def _id_of(values: Mapping[str, object]) -> str | None:
    value = values.get("id")
    if value is None:
        return None
    text = as_text("id", value)
    if len(text.encode()) > MAX_ID_BYTES:
        raise InvalidRequestError(f"id has {len(text.encode())} bytes; at most {MAX_ID_BYTES} are allowed")
    return text


def _num_choices(fields: LineFields) -> int:
    count = _or(fields.integer("n"), 1)
    if not 1 <= count <= MAX_CHOICES:
        raise InvalidRequestError(f"n is {count}; it must be from 1 to {MAX_CHOICES}")
    return count


def _prompt(fields: LineFields, tokenizer: Tokenizer | None) -> tuple[int, ...]:
    value, has_specials = fields.get("prompt"), fields.flag("special_tokens")
    if value is None:
        raise InvalidRequestError("prompt is missing; it is a string or a list of token ids")
    if isinstance(value, list):
        if has_specials:
            raise InvalidRequestError("special_tokens is for a prompt of text; this one is of token ids")
        return fields.integers("prompt") or ()
    if not isinstance(value, str):
        refuse("prompt", value, "a string or a list of token ids")
    if tokenizer is None:
        raise InvalidRequestError("the model has no tokenizer.json, so prompt must be a list of token ids")
    text = as_text("prompt", value)
    return tuple(tokenizer.encode_with_specials(text) if has_specials else tokenizer.encode(text))


def _sampling(fields: LineFields) -> SamplingParameters:
    """What is left out is left to SamplingParameters."""
    bias = {
        _token_id(key): as_number(f"logit_bias[{key}]", value)
        for key, value in (fields.mapping("logit_bias") or {}).items()
    }
    defaults = SamplingParameters()
    return SamplingParameters(
        temperature=_or(fields.number("temperature"), defaults.temperature),
        top_k=fields.integer("top_k"),
        top_p=_or(fields.number("top_p"), defaults.top_p),
        min_p=_or(fields.number("min_p"), defaults.min_p),
        repetition_penalty=_or(fields.number("repetition_penalty"), defaults.repetition_penalty),
        presence_penalty=_or(fields.number("presence_penalty"), defaults.presence_penalty),
        frequency_penalty=_or(fields.number("frequency_penalty"), defaults.frequency_penalty),
        logit_bias=bias,
        seed=fields.integer("seed"),
        logprobs=fields.integer("logprobs"),
        prompt_logprobs=fields.integer("prompt_logprobs"),
    )


def _token_id(key: str) -> int:
    """JSON has no keys but strings."""
    if len(key) > 20 or not (key.isascii() and key.isdigit()) or str(int(key)) != key:
        refuse("a key of logit_bias", key, 'a token id, as in {"17": -100}')
    return int(key)


def _stop(fields: LineFields) -> StopRules:
    value = fields.get("stop")
    strings = (as_text("stop", value),) if isinstance(value, str) else fields.texts("stop")
    return StopRules(
        strings=strings or (),
        token_ids=frozenset(fields.integers("stop_token_ids") or ()),
        model_stops=not fields.flag("ignore_model_stops"),
    )


def _grammar(fields: LineFields) -> GrammarSpec | None:
    given = [key for key in _GRAMMAR_KEYS if fields.get(key) is not None]
    if fields.flag("json_object") is False:
        given.remove("json_object")
    if len(given) > 1:
        raise InvalidRequestError(f"{' and '.join(given)} are given; only one of them can rule the output")
    match given:
        case ["json_schema"]:
            return GrammarSpec.json_schema(json.dumps(fields.mapping("json_schema")))
        case ["json_object"]:
            return GrammarSpec.json_object()
        case ["regex"]:
            return GrammarSpec.regex(fields.text("regex") or "")
        case ["choice"]:
            return GrammarSpec.choice(*(fields.texts("choice") or ()))
        case ["grammar"]:
            return GrammarSpec.lark(fields.text("grammar") or "")
    return None


def _or(value: T | None, default: T) -> T:
    return default if value is None else value
