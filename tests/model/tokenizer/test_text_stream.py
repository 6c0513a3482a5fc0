from hypothesis import example, given
from hypothesis import strategies as st

from model.tokenizer import TextStream

PIECES = st.lists(
    st.one_of(
        st.binary(max_size=4),
        st.sampled_from("é漢🙂\u0301").map(str.encode),
        st.sampled_from([b"\xf0\x9f", b"\x99\x82", b"\xe6", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90"]),
    ),
    max_size=12,
)


@given(pieces=PIECES)
@example(pieces=[b"\xf0\x9f", b"\x99", b"a"])
@example(pieces=[b"\xe6\xbc"])
def test_what_it_gives_is_what_one_decode_of_everything_gives(pieces: list[bytes]) -> None:
    stream = TextStream()
    given_out = "".join(map(stream.push, pieces)) + stream.finish()
    assert given_out == b"".join(pieces).decode("utf-8", errors="replace")


@given(text=st.text(st.characters(codec="utf-8"), max_size=9))
def test_a_character_comes_with_its_last_byte(text: str) -> None:
    stream = TextStream()
    for character in text:
        *first, last = (bytes([byte]) for byte in character.encode())
        assert "".join(map(stream.push, first)) == ""
        assert stream.push(last) == character
    assert stream.finish() == ""


def test_what_is_held_back_comes_at_the_end_once() -> None:
    stream = TextStream()
    assert stream.push(b"a\xf0\x9f\x99") == "a"
    assert stream.finish() == "\ufffd"
    assert stream.finish() == ""
    assert stream.push(b"\x82b") == "\ufffdb"
