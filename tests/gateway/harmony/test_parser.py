"""On well-formed tokens it says what openai-harmony says; on others it mends, and never fails."""

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gateway.harmony.conversation import Message, Role
from gateway.harmony.events import (
    MessageEnded,
    MessageKind,
    Recovered,
    Recovery,
    TextDelta,
)
from gateway.harmony.history import EarlierReasoning
from gateway.harmony.parser import HarmonyParser
from gateway.harmony.renderer import HarmonyRenderer
from gateway.harmony.vocabulary import HarmonyVocabulary
from tests.gateway.harmony.generated import CONVERSATIONS, TEXTS
from tests.gateway.harmony.oracle import Oracle
from tests.gateway.harmony.reading import assemble, read
from workers.engine.output_text import OutputText, Released

pytestmark = pytest.mark.xdist_group("o200k")  # one process holds the vocabulary

MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=4)
TOOLS = ("functions.get_weather", "functions.Look-up.v2", "browser.search", "python")
OF_WORDS = {
    Recovery.FOREIGN_ROLE,
    Recovery.MISSING_CHANNEL,
    Recovery.UNKNOWN_CHANNEL,
    Recovery.MISPLACED_CALL,
}
"""What may be wrong with messages whose tokens stand where they should."""


class Reader:
    """Makes parsers over gpt-oss's vocabulary."""

    def __init__(self, vocabulary: HarmonyVocabulary) -> None:
        self.vocabulary = vocabulary
        self.renderer = HarmonyRenderer(vocabulary, EarlierReasoning.KEPT)

    def encode(self, text: str) -> list[int]:
        """Control tokens by name."""
        return self.vocabulary.tokenizer.encode_with_specials(text)

    def answer(self, recipients: tuple[str, ...] = TOOLS, *, begins_in_header: bool = True) -> HarmonyParser:
        return HarmonyParser.of_answer(self.vocabulary, recipients, begins_in_header=begins_in_header)


@pytest.fixture(scope="module")
def reader(o200k: HarmonyVocabulary) -> Reader:
    return Reader(o200k)


@pytest.fixture(scope="module")
def small_reader(small: HarmonyVocabulary) -> Reader:
    return Reader(small)


def is_plain(message: Message) -> bool:
    """Whether openai-harmony reads its header: it refuses names of anybody but tools, and takes a content
    type without a recipient for the recipient.
    """
    is_named = message.name is not None and message.role is not Role.TOOL
    return not is_named and not (message.recipient == "all" and message.content_type)


@MANY
@given(CONVERSATIONS, SIZES)
def test_conversations_are_read_as_openai_harmony_reads_them(
    reader: Reader, oracle: Oracle, conversation: list[Message], sizes: list[int]
) -> None:
    token_ids = reader.renderer.conversation([message for message in conversation if is_plain(message)])
    parser = HarmonyParser.of_conversation(reader.vocabulary)
    messages = [each.message for each in assemble(read(parser, token_ids, sizes))]
    assert messages == oracle.parse(token_ids, None)
    assert parser.recoveries.keys() <= OF_WORDS


HEADERS = (
    "<|channel|>analysis<|message|>",
    "<|channel|>commentary<|message|>",
    "<|channel|>final<|message|>",
    " to=functions.get_weather<|channel|>commentary <|constrain|>json<|message|>",
    " to=functions.get_weather<|channel|>commentary json<|message|>",
    "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>",
    "<|channel|>commentary to=functions.get_weather<|constrain|>json<|message|>",
    "<|channel|>commentary to=functions.get_weather json<|message|>",
    "<|channel|>commentary to=functions.Look-up.v2<|message|>",
    "<|channel|>analysis to=browser.search code<|message|>",
    "<|channel|>analysis to=python code<|message|>",
    " to=python<|channel|>analysis<|message|>",
)


@MANY
@given(st.lists(st.tuples(st.sampled_from(HEADERS), TEXTS), min_size=1, max_size=4), SIZES)
def test_answers_are_read_as_openai_harmony_reads_them(
    reader: Reader, oracle: Oracle, written: list[tuple[str, str]], sizes: list[int]
) -> None:
    token_ids: list[int] = []
    for index, (header, text) in enumerate(written):
        is_last = index == len(written) - 1
        token_ids += reader.encode(f"{'<|start|>assistant' if index else ''}{header}")
        token_ids += reader.vocabulary.tokenizer.encode(text)
        token_ids += reader.encode(
            ("<|call|>" if "to=" in header else "<|return|>") if is_last else "<|end|>"
        )
    parser = reader.answer()
    messages = assemble(read(parser, token_ids, sizes))
    assert [each.message for each in messages] == oracle.parse(token_ids, Role.ASSISTANT)
    assert parser.recoveries.total() == 0
    for each, (header, _) in zip(messages, written, strict=True):
        called = "to=" in header
        assert (each.kind is MessageKind.CALL) == called == (each.began.recipient in TOOLS)


def parsers(vocabulary: HarmonyVocabulary) -> list[HarmonyParser]:
    return [
        HarmonyParser.of_answer(vocabulary, TOOLS),
        HarmonyParser.of_answer(vocabulary, TOOLS, begins_in_header=False),
        HarmonyParser.of_conversation(vocabulary),
    ]


@MANY
@given(st.data(), SIZES, st.booleans())
def test_no_tokens_make_it_fail(
    reader: Reader, small_reader: Reader, data: st.DataObject, sizes: list[int], is_small: bool
) -> None:
    """Any ids, also such as no vocabulary has, among marks and words that headers are made of."""
    vocabulary = (small_reader if is_small else reader).vocabulary
    marks = vocabulary.tokenizer.special_ids.values()
    words = ["assistant", " to=functions.get_weather", "final", "analysis", "commentary", " json", "{", "Yes"]
    some_ids = st.one_of(
        st.sampled_from([[mark] for mark in marks if mark < vocabulary.tokenizer.vocab_size]),
        st.sampled_from(words).map(vocabulary.tokenizer.encode),
        st.integers(-3, vocabulary.tokenizer.vocab_size + 3).map(lambda token_id: [token_id]),
    )
    token_ids = [each for ids in data.draw(st.lists(some_ids, max_size=40)) for each in ids]
    for one, other in zip(parsers(vocabulary), parsers(vocabulary), strict=True):
        messages = assemble(read(one, token_ids, sizes))
        again = assemble(read(other, token_ids))
        assert [(each.began, each.text, each.ended_by) for each in again] == [
            (each.began, each.text, each.ended_by) for each in messages
        ]
        assert one.recoveries == other.recoveries
        assert sum(delta.num_tokens for each in messages for delta in each.deltas) <= len(token_ids)


@MANY
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), SIZES)
def test_text_comes_in_whole_characters_wherever_tokens_part_them(
    small_reader: Reader, text: str, sizes: list[int]
) -> None:
    """In a vocabulary of bytes every character beyond ASCII is parted."""
    encode = small_reader.vocabulary.tokenizer.encode
    token_ids = [*small_reader.encode("<|channel|>final<|message|>"), *encode(text)]
    (message,) = assemble(read(small_reader.answer(), token_ids, sizes))
    assert message.text == text
    assert "\ufffd" in text or not any("\ufffd" in delta.text for delta in message.deltas)
    pieces = [
        b"".join(map(small_reader.vocabulary.tokenizer.token_bytes, token_ids[first : first + num]))
        for _, _, first, num in message.deltas
    ]
    assert b"".join(pieces).decode() == text


@MANY
@given(st.text(st.characters(exclude_categories=["Cs"])), SIZES, st.booleans())
def test_text_alone_is_a_final_message_however_tokens_part_it(
    reader: Reader, small_reader: Reader, text: str, sizes: list[int], is_small: bool
) -> None:
    assume(text.strip() and not text.lstrip().startswith(("to=", "assistant")))
    used = small_reader if is_small else reader
    (message,) = assemble(read(used.answer(), used.vocabulary.tokenizer.encode(text), sizes))
    assert message.kind is MessageKind.FINAL
    assert message.text == text.lstrip()


def test_bytes_that_are_no_text_do_not_wait_for_a_header_for_ever(small_reader: Reader) -> None:
    (alone,) = small_reader.vocabulary.tokenizer.encode("\x80\x80")[1::2][:1]
    parser = small_reader.answer()
    events = [event for _ in range(400) for event in parser.push([alone])]
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert text == "\ufffd" * 400


def test_half_a_character_at_the_end_is_replaced(small_reader: Reader) -> None:
    parser = small_reader.answer()
    token_ids = small_reader.encode("<|channel|>final<|message|>") + small_reader.vocabulary.tokenizer.encode(
        "a🙂"
    )
    events = parser.push(token_ids[:-1])
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a"]
    delta, ended = parser.finish()
    assert isinstance(delta, TextDelta)
    assert delta.text == "\ufffd"
    assert isinstance(ended, MessageEnded)


@MANY
@given(st.text("ab🙂\n", min_size=1), st.text("ab🙂\n", min_size=1, max_size=4))
def test_what_a_stop_string_has_cut_is_not_told(small_reader: Reader, text: str, stop: str) -> None:
    """The engine tells the text before the stop string, and the tokens that this text lies in."""
    header, content = small_reader.encode("<|channel|>final<|message|>"), small_reader.encode(text)
    engine, parser = OutputText([stop]), small_reader.answer()
    events = parser.push(header)
    length = len("final")
    waiting: list[int] = []
    told = Released(0, "")
    for token_id in content:
        waiting.append(token_id)
        told = engine.push(small_reader.vocabulary.tokenizer.token_bytes(token_id))
        length += len(told.text)
        released, waiting = waiting[: told.num_tokens], waiting[told.num_tokens :]
        events += parser.push(released, length if told.stopped_by else None)
        if told.stopped_by:
            break
    events += parser.push([] if told.stopped_by else waiting) + parser.finish()
    (message,) = assemble(events)
    assert message.text == text.partition(stop)[0]


def test_surplus_is_told_once_and_counted(reader: Reader) -> None:
    parser = reader.answer()
    events = read(parser, reader.encode("<|channel|>final<|message|>Yes.<|return|> and more of it<|end|>"))
    assert events[-1] == Recovered(Recovery.SURPLUS_TOKEN, "")
    assert sum(isinstance(event, Recovered) for event in events) == 1
    assert parser.recoveries == {Recovery.SURPLUS_TOKEN: 5}
