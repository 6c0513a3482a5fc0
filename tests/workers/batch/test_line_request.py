"""One line: what it may say, and every way in which it may be wrong."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from model.sampling.parameters import SamplingParameters
from model.tokenizer import Tokenizer
from protos.errors import InvalidRequestError
from workers.batch.input_file import MAX_LINE_BYTES, InputLine
from workers.batch.line_request import KEYS, MAX_ID_BYTES, parse_line, request_of
from workers.engine.request import GenerationRequest, Priority, StopRules
from workers.grammar.spec import GrammarSpec

EVERY_KEY: dict[str, object] = {
    "id": "a", "prompt": "hé", "special_tokens": False, "max_tokens": 9, "min_tokens": 2, "n": 3,
    "temperature": 0, "top_k": 5, "top_p": 0.9, "min_p": 0.1, "repetition_penalty": 1.1,
    "presence_penalty": -1, "frequency_penalty": 0.5, "logit_bias": {"17": -100, "0": 2.5}, "seed": -4,
    "logprobs": 0, "prompt_logprobs": 2, "echo": True, "stop": ["x", "é"], "stop_token_ids": [8, 9],
    "ignore_model_stops": True, "reasoning_budget": 0, "timeout_s": 2.5,
}  # fmt: skip
GRAMMARS: dict[str, tuple[object, GrammarSpec]] = {
    "json_schema": ({"type": "string"}, GrammarSpec.json_schema('{"type": "string"}')),
    "json_object": (True, GrammarSpec.json_object()),
    "regex": ("[ab]+", GrammarSpec.regex("[ab]+")),
    "choice": (["yes", "no"], GrammarSpec.choice("yes", "no")),
    "grammar": ('start: "x"', GrammarSpec.lark('start: "x"')),
}


def request(values: Mapping[str, object], tokenizer: Tokenizer | None) -> GenerationRequest:
    return request_of(parse_line(InputLine(1, 1, json.dumps(values).encode())), "line 1", tokenizer)


def test_every_key_arrives(tokenizer: Tokenizer) -> None:
    assert {*EVERY_KEY, *GRAMMARS} == set(KEYS)
    assert len(set(KEYS)) == len(KEYS)
    assert request(EVERY_KEY, tokenizer) == GenerationRequest(
        request_id="line 1",
        prompt=tuple(tokenizer.encode("hé")),
        sampling=SamplingParameters(
            temperature=0,
            top_k=5,
            top_p=0.9,
            min_p=0.1,
            repetition_penalty=1.1,
            presence_penalty=-1,
            frequency_penalty=0.5,
            logit_bias={17: -100.0, 0: 2.5},
            seed=-4,
            logprobs=0,
            prompt_logprobs=2,
        ),
        max_tokens=9,
        min_tokens=2,
        num_choices=3,
        stop=StopRules(("x", "é"), frozenset((8, 9)), model_stops=False),
        reasoning_budget=0,
        echo=True,
        priority=Priority.BATCH,
        timeout_s=2.5,
    )


def test_the_page_for_users_has_every_key_and_no_other() -> None:
    page = (Path(__file__).parents[3] / "docs" / "generate.md").read_text()
    table = page.partition("| key | type |")[2].partition("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    assert sorted(key for cell in cells for key in re.findall(r"`(\w+)`", cell)) == sorted(KEYS)


def test_what_is_left_out_or_null_is_the_default(tokenizer: Tokenizer) -> None:
    least = request({"prompt": "a"}, tokenizer)
    assert least == GenerationRequest("line 1", tuple(tokenizer.encode("a")), priority=Priority.BATCH)
    nulls = dict.fromkeys(KEYS) | {"prompt": "a"}
    assert request(nulls, tokenizer) == least


@pytest.mark.parametrize("key", GRAMMARS)
def test_each_grammar(key: str, tokenizer: Tokenizer) -> None:
    value, expected = GRAMMARS[key]
    assert request({"prompt": "a", key: value}, tokenizer).grammar == expected


def test_json_object_may_be_off(tokenizer: Tokenizer) -> None:
    assert request({"prompt": "a", "json_object": False}, tokenizer).grammar is None
    both = {"prompt": "a", "json_object": False, "regex": "a"}
    assert request(both, tokenizer).grammar == GrammarSpec.regex("a")


def test_one_stop_string_needs_no_list(tokenizer: Tokenizer) -> None:
    assert request({"prompt": "a", "stop": "xy"}, tokenizer).stop.strings == ("xy",)


def test_text_is_text_unless_special_tokens_are_asked_for(tokenizer: Tokenizer) -> None:
    start = tokenizer.special_ids["<|start|>"]
    text = "<|start|>user"
    assert start not in request({"prompt": text}, tokenizer).prompt
    with_specials = request({"prompt": text, "special_tokens": True}, tokenizer).prompt
    assert with_specials == (start, *tokenizer.encode("user"))


def test_token_ids_need_no_tokenizer() -> None:
    assert request({"prompt": [5, 6]}, None).prompt == (5, 6)
    with pytest.raises(InvalidRequestError, match=r"no tokenizer\.json, so prompt must be a list"):
        request({"prompt": "a"}, None)


WRONG = [
    (b"{", "not valid JSON: Expecting property name enclosed in double quotes, at character 2"),
    (b"", "not valid JSON: Expecting value, at character 1"),
    (b'{"prompt": "a"} {}', "not valid JSON: Extra data, at character 17"),
    (b"[]", "expected an object"),
    (b'"a"', "expected an object"),
    (b'{"prompt": "\xff"}', "'utf-8' codec can't decode byte 0xff"),
    (b'{"prompt": "a", "prompt": "b"}', "the key 'prompt' stands there twice"),
    (b'{"prompt": "a", "seed": NaN}', "NaN is not a finite number"),
    (b'{"prompt": "a", "temperature": 1e999}', "1e999 is not a finite number"),
    (b'{"prompt": ' + b"[" * 100_000, "nested too deeply"),
    (b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}", "4300"),
    ({}, "prompt is missing"),
    ({"prompt": None}, "prompt is missing"),
    ({"prompt": 5}, "prompt is 5, expected a string or a list of token ids"),
    ({"prompt": {}}, "prompt is an object, expected a string"),
    ({"prompt": [1, "2"]}, r"prompt\[1\] is '2', expected an integer"),
    ({"prompt": [1, True]}, r"prompt\[1\] is true, expected an integer"),
    ({"prompt": []}, "the prompt is empty"),
    ({"prompt": ""}, "the prompt is empty"),
    ({"prompt": "\ud800"}, "prompt holds half a surrogate pair at character 0"),
    ({"prompt": [1], "special_tokens": True}, "special_tokens is for a prompt of text"),
    ({"prompt": "a", "special_tokens": 1}, "special_tokens is 1, expected true or false"),
    ({"prompt": "a", "id": 5}, "id is 5, expected a string"),
    ({"prompt": "a", "id": "\udfff"}, "id holds half a surrogate pair"),
    ({"prompt": "a", "id": "é" * (MAX_ID_BYTES // 2) + "x"}, "id has 1025 bytes; at most 1024"),
    ({"prompt": "a", "max_token": 5}, "'max_token' is unknown; did you mean 'max_tokens'?"),
    ({"prompt": "a", "qqqq": 5}, "'qqqq' is unknown; the keys are id, prompt, special_tokens"),
    ({"prompt": "a", "\ud800": 5}, r"'\\ud800' is unknown"),
    ({"prompt": "a", "max_tokens": "5"}, "max_tokens is '5', expected an integer"),
    ({"prompt": "a", "max_tokens": 5.0}, r"max_tokens is 5\.0, expected an integer"),
    ({"prompt": "a", "max_tokens": True}, "max_tokens is true, expected an integer"),
    ({"prompt": "a", "max_tokens": -1}, "max_tokens is -1"),
    ({"prompt": "a", "min_tokens": 9, "max_tokens": 3}, "min_tokens is 9 and max_tokens 3"),
    ({"prompt": "a", "n": 0}, "n is 0; it must be from 1 to 128"),
    ({"prompt": "a", "n": 129}, "n is 129"),
    ({"prompt": "a", "temperature": "hot"}, "temperature is 'hot', expected a number"),
    ({"prompt": "a", "temperature": False}, "temperature is false, expected a number"),
    ({"prompt": "a", "temperature": 10**400}, "temperature is 1000.*, which is too large"),
    ({"prompt": "a", "temperature": 2.5}, r"temperature is 2\.5; it must be from 0 to 2"),
    ({"prompt": "a", "top_p": 0}, "top_p is 0"),
    ({"prompt": "a", "top_k": 0}, "top_k is 0"),
    ({"prompt": "a", "seed": 1 << 63}, "seed is 9223372036854775808"),
    ({"prompt": "a", "logprobs": True}, "logprobs is true, expected an integer"),
    ({"prompt": "a", "logprobs": 21}, "logprobs is 21"),
    ({"prompt": "a", "logit_bias": [1]}, "logit_bias is a list, expected an object"),
    ({"prompt": "a", "logit_bias": {"x": 1}}, "a key of logit_bias is 'x', expected a token id"),
    ({"prompt": "a", "logit_bias": {"01": 1}}, "a key of logit_bias is '01'"),
    ({"prompt": "a", "logit_bias": {"²": 1}}, "a key of logit_bias is '²'"),
    ({"prompt": "a", "logit_bias": {"9" * 5000: 1}}, "a key of logit_bias is '9999"),
    ({"prompt": "a", "logit_bias": {"5": "1"}}, r"logit_bias\[5\] is '1', expected a number"),
    ({"prompt": "a", "logit_bias": {"5": 101}}, r"logit_bias\[5\] is 101"),
    ({"prompt": "a", "echo": "yes"}, "echo is 'yes', expected true or false"),
    ({"prompt": "a", "stop": 5}, "stop is 5, expected a list of strings"),
    ({"prompt": "a", "stop": ["a", 5]}, r"stop\[1\] is 5, expected a string"),
    ({"prompt": "a", "stop": ""}, "a stop string has 0 bytes"),
    ({"prompt": "a", "stop_token_ids": 5}, "stop_token_ids is 5, expected a list of token ids"),
    ({"prompt": "a", "stop_token_ids": [None]}, r"stop_token_ids\[0\] is null"),
    ({"prompt": "a", "ignore_model_stops": 0}, "ignore_model_stops is 0, expected true or false"),
    ({"prompt": "a", "reasoning_budget": -1}, "reasoning_budget is -1"),
    ({"prompt": "a", "timeout_s": 0}, "timeout_s is 0"),
    ({"prompt": "a", "json_schema": "{}"}, "json_schema is '{}', expected an object"),
    ({"prompt": "a", "json_object": 1}, "json_object is 1, expected true or false"),
    ({"prompt": "a", "regex": False}, "regex is false, expected a string"),
    ({"prompt": "a", "regex": ""}, "regex: the text is empty"),
    ({"prompt": "a", "choice": "yes"}, "choice is 'yes', expected a list of strings"),
    ({"prompt": "a", "choice": []}, "the list of choices is empty"),
    ({"prompt": "a", "grammar": 5}, "grammar is 5, expected a string"),
    ({"prompt": "a", "regex": "a", "choice": ["b"]}, "regex and choice are given; only one"),
]


@pytest.mark.parametrize(("wrong", "sentence"), WRONG)
def test_what_is_wrong_is_said(wrong: bytes | dict[str, object], sentence: str, tokenizer: Tokenizer) -> None:
    content = wrong if isinstance(wrong, bytes) else json.dumps(wrong).encode()
    with pytest.raises(InvalidRequestError, match=sentence) as raised:
        request_of(parse_line(InputLine(1, 1, content)), "line 1", tokenizer)
    assert len(str(raised.value)) < 500
    str(raised.value).encode()


def test_a_line_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=f"more than {MAX_LINE_BYTES} bytes"):
        parse_line(InputLine(1, 1, None))


@pytest.mark.parametrize(("value", "expected"), [("a", "a"), (None, None), (5, None), ("\ud800", None)])
def test_the_id_is_known_before_the_rest_is_judged(value: object, expected: str | None) -> None:
    content = json.dumps({"id": value, "wrong": 1}).encode()
    assert parse_line(InputLine(1, 1, content)).id == expected
