"""Text with stop strings, against the plain definition over all bytes at once."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workers.engine.output_text import OutputText

PIECES = st.lists(st.text("ab<é🙂", max_size=4).map(str.encode), max_size=12)
STOPS = st.lists(st.text("ab<é", min_size=1, max_size=4), max_size=3)


def split(pieces: list[bytes], cuts: list[int]) -> list[bytes]:
    """The same bytes as other tokens, which may end inside a character."""
    content = b"".join(pieces)
    edges = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    return [content[start:stop] for start, stop in pairwise(edges)]


@given(pieces=PIECES, stops=STOPS, cuts=st.lists(st.integers(0, 60), max_size=12))
@example(pieces=[b"aab"], stops=["ab"], cuts=[1, 2])
@example(pieces=["a🙂b".encode()], stops=["b"], cuts=[2, 3, 4])
@example(pieces=[b"ab<"], stops=["b", "ab<"], cuts=[])
def test_it_is_the_text_before_the_first_stop(pieces: list[bytes], stops: list[str], cuts: list[int]) -> None:
    tokens = split(pieces, cuts)
    stop_bytes = [stop.encode() for stop in stops]
    output = OutputText(stops)
    text, num_tokens = "", 0
    so_far = b""
    for token in tokens:
        so_far += token
        released = output.push(token)
        text += released.text
        num_tokens += released.num_tokens
        found = [(so_far.find(stop), stop.decode()) for stop in stop_bytes if stop in so_far]
        if found:
            place, stop = min(found)
            starts = [0, *accumulate(map(len, tokens))]
            assert released.stopped_by == stop
            assert text == so_far[:place].decode()
            assert num_tokens == sum(start < place for start in starts[: len(tokens)])
            return
        assert released.stopped_by is None
        check_nothing_leaks(text, num_tokens, tokens, so_far, stop_bytes)
    rest = output.finish()
    assert text + rest.text == so_far.decode()
    assert num_tokens + rest.num_tokens == len(tokens)


def check_nothing_leaks(
    text: str, num_tokens: int, tokens: list[bytes], so_far: bytes, stops: list[bytes]
) -> None:
    """Whatever may yet become a stop is held back, and nothing else but half a character."""
    held = max(
        (length for stop in stops for length in range(1, len(stop)) if so_far.endswith(stop[:length])),
        default=0,
    )
    safe = so_far[: len(so_far) - held]
    assert text == safe.decode(errors="ignore")
    ends = list(accumulate(map(len, tokens)))
    assert num_tokens == sum(end <= len(safe) for end in ends[: len(ends)] if end <= len(so_far))


def test_a_control_token_parts_the_text() -> None:
    output = OutputText(["ab"])
    assert output.push(b"a").text == ""
    released = output.push(b"")  # such a token spells nothing
    assert (released.text, released.num_tokens) == ("a", 2)
    released = output.push(b"b")
    assert (released.text, released.stopped_by) == ("b", None)
    assert output.push(b"ab").stopped_by == "ab"


def test_stops_are_not_looked_for_where_they_do_not_count() -> None:
    output = OutputText(["ab"])
    assert output.push(b"xab", looks_for_stops=False).text == "xab"
    assert output.push(b"a", looks_for_stops=False).text == "a"
    assert output.push(b"b").stopped_by is None


def test_half_a_character_at_the_end_is_shown_as_such() -> None:
    output = OutputText()
    assert output.push("é".encode()[:1]).text == ""
    assert output.finish().text == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("stops", [[], ["\n\n"]])
def test_long_output_keeps_nothing(stops: list[str]) -> None:
    output = OutputText(stops)
    for _ in range(1000):
        assert output.push(b"word ").text == "word "
    assert output.finish().num_tokens == 0
