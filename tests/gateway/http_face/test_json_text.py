import json

import pytest

from gateway.http_face.json_text import json_bytes, json_text


@pytest.mark.parametrize(
    "text", ["a\nb", "\x85\u2028\u2029", "é\u2028\x0b\x1c", 'quote " and \\', "\U0001f600"]
)
def test_it_is_one_line_and_means_the_same(text: str) -> None:
    written = json_text({"a": text})
    assert len(written.splitlines()) == 1
    assert json.loads(written) == {"a": text}
    assert json_bytes(text) == json_text(text).encode()


def test_it_is_short() -> None:
    assert json_text({"a": [1, "é"]}) == '{"a":[1,"é"]}'


def test_what_json_has_no_word_for_is_an_error() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text(float("nan"))
