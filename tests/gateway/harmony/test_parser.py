"""On well-formed tokens it says what openai-harmony says; on others it mends, and never fails."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.harmony.conversation import JSON_CONTENT, Message, Role
from gateway.harmony.events import EndedBy, MessageKind, Recovered, Recovery, TextDelta
from gateway.harmony.history import EarlierReasoning
from gateway.harmony.parser import HarmonyParser
from gateway.harmony.renderer import HarmonyRenderer
from gateway.harmony.vocabulary import HarmonyVocabulary
from tests.gateway.harmony.generated import CONVERSATIONS, TEXTS
from tests.gateway.harmony.oracle import Oracle
from tests.gateway.harmony.reading import assemble, read

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


def is_plain(message: Message) -> bool:
    """Whether openai-harmony reads its header: it refuses names of anybody but tools."""
    return message.name is None or message.role is Role.TOOL


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
    "<|channel|>final <|constrain|>json<|message|>",
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
