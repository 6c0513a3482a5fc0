"""JSON that has no meaning, or more than one, and what is said of it."""

import json

import pytest

from gateway.http_face.json_body import MAX_DEPTH, json_object
from protos.errors import InvalidRequestError


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


REFUSED = [
    (b"", "the body is empty"),
    (b" \n\t", "the body is empty"),
    (b'{"a": 1,\n "b" 2}', "Expecting ':' delimiter, line 2 column 6"),
    (b'{"a": 1} x', "Extra data, line 1 column 10"),
    (b"[1, 2]", "it holds list, expected an object"),
    (b'"text"', "it holds str, expected an object"),
    (b"null", "it holds NoneType, expected an object"),
    (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' stands there twice"),
    (b'{"a": {"b": [{"c": 1, "c": 1}]}}', "the key 'c' stands there twice"),
    (b'{"a": NaN}', "nan|NaN"),
    (b'{"a": -Infinity}', "-Infinity is not a finite number"),
    (b'{"a": 1e999}', "1e999 is not a finite number"),
    (b'{"a": ' + b"9" * 5000 + b"}", "a whole number has thousands of digits"),
    (b'{"a": "\xff"}', "not UTF-8: byte 7 "),
    (b'\xef\xbb\xbf{"a": 1}', "BOM|Expecting value"),
    (b'{"a": "\xed\xa0\x80"}', "not UTF-8: byte 7 "),
    (
        json.dumps({"a": {"b": ["x", "y\ud800z"]}}).encode(),
        r"a\.b\[1\] holds half a surrogate pair, U\+D800, at",
    ),
    (json.dumps({"a\udfff": 1}).encode(), "a key of the body holds half a surrogate pair"),
    (nested(MAX_DEPTH + 1), f"more than {MAX_DEPTH} arrays and objects"),
    (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply|more than"),
    (b'{"a": "tab\there"}', "Invalid control character at, line 1 column 11"),
]


@pytest.mark.parametrize(("body", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_has_no_one_meaning_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        json_object(body)


def test_the_field_with_half_a_pair_is_named() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        json_object(b'{"messages": [{"content": "\\udc00"}]}')
    assert caught.value.field == "messages"


@pytest.mark.parametrize(
    "value",
    [
        {"a": "\U0001f600", "b": "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")},
        {"a": [[]] * 500},
        {"a": -1.5e-300, "b": 10**400, "": None},
        json.loads(nested(MAX_DEPTH)),
    ],
)
def test_the_rest_is_what_it_says(value: dict[str, object]) -> None:
    assert json_object(json.dumps(value).encode()) == value
    assert json_object(json.dumps(value, ensure_ascii=False).encode()) == value


def test_many_keys_of_which_one_stands_there_twice_are_found_at_once() -> None:
    keys = ",".join(f'"{number}":0' for number in range(100_000))
    with pytest.raises(InvalidRequestError, match="the key '99999' stands"):
        json_object(f'{{{keys},"99999":0}}'.encode())
