"""What becomes of malformed answers: the lines of the table in docs/harmony.md, and their neighbours."""

import pytest

from gateway.harmony.events import MessageKind, Recovery
from gateway.harmony.parser import HarmonyParser
from gateway.harmony.vocabulary import HarmonyVocabulary
from tests.gateway.harmony.reading import Read, assemble, read

pytestmark = pytest.mark.xdist_group("o200k")  # one process holds the vocabulary

TOOLS = ("functions.get_weather", "functions.Look-up.v2", "browser.search", "python")
THOUGHT = "<|channel|>analysis<|message|>Hm.<|end|>"
FINAL = "<|channel|>final<|message|>Yes.<|return|>"
HM = "reasoning/end: Hm."
ANSWER = "final/return: Yes."
CALL = 'call/call to functions.get_weather: {"a": 1}'

# name: what is written, what is read, what was wrong
CASES = {
    "an empty answer": ("", "", ""),
    "text alone": ("Yes, so it is.<|return|>", "final/return: Yes, so it is.", "missing_header"),
    "text that might begin a recipient": ("to be or not", "final/truncation: to be or not", "missing_header"),
    "text that might begin the role": ("assistance", "final/truncation: assistance", "missing_header"),
    "one letter": ("t", "final/truncation: t", "missing_header"),
    "text after reasoning": (f"{THOUGHT}Yes.<|return|>", f"{HM} | {ANSWER}", "missing_header"),
    "text behind a role": (
        f"{THOUGHT}<|start|>assistant Yes, it is.<|return|>",
        "reasoning/end: Hm. | final/return: Yes, it is.",
        "missing_header",
    ),
    "text instead of a role": (
        f"{THOUGHT}<|start|>Yes, so it is.<|return|>",
        "reasoning/end: Hm. | final/return: Yes, so it is.",
        "missing_header",
    ),
    "the role again": (f"assistant{FINAL}", ANSWER, ""),
    "the start again": (f"<|start|>assistant{FINAL}", ANSWER, "malformed_header"),
    "no channel": ("<|message|>Yes.<|return|>", ANSWER, "missing_channel"),
    "a channel without a name": ("<|channel|><|message|>Yes.<|return|>", ANSWER, "missing_channel"),
    "an unknown channel": ("<|channel|>answer<|message|>Yes.<|return|>", ANSWER, "unknown_channel"),
    "a channel for a role": (
        f"{THOUGHT}<|start|>final<|message|>Yes.<|return|>",
        f"{HM} | {ANSWER}",
        "malformed_header",
    ),
    "text that begins with another's role": (
        "user and assistant<|return|>",
        "final/return: user and assistant",
        "missing_header",
    ),
    "a word that begins with a role": (
        f"{THOUGHT}<|start|>assistants, all<|return|>",
        f"{HM} | final/return: assistants, all",
        "missing_header",
    ),
    "a text that begins with a content type": (
        "<|channel|>final code is a text<|return|>",
        "final/return: code is a text",
        "malformed_header",
    ),
    "a recipient for a channel": (
        '<|channel|>to=functions.get_weather<|message|>{"a": 1}<|call|>',
        CALL,
        "missing_channel",
    ),
    "a channel in capitals": ("<|channel|>Analysis<|message|>Hm.<|end|>", HM, "unknown_channel"),
    "a channel with an end too much": (
        "<|channel|>analysisassistant<|message|>Hm.<|end|>",
        HM,
        "unknown_channel",
    ),
    "two channels": (f"<|channel|>analysis{FINAL}", ANSWER, "malformed_header"),
    "too many words": ("<|channel|>final one two<|message|>Yes.<|return|>", ANSWER, "undeclared_recipient"),
    "a content type alone": ("<|channel|>final json<|message|>Yes.<|return|>", ANSWER, ""),
    "a constraint alone": ("<|channel|>final <|constrain|>json<|message|>Yes.<|return|>", ANSWER, ""),
    "no message mark": (
        "<|channel|>final\n\nYes, so it is.<|return|>",
        "final/return: Yes, so it is.",
        "malformed_header",
    ),
    "no message mark, odd letters": (
        "<|channel|>final **Yes.**<|return|>",
        "final/return: **Yes.**",
        "malformed_header",
    ),
    "no message mark in reasoning": (
        "<|channel|>analysis We need to think.<|end|>",
        "reasoning/end: We need to think.",
        "malformed_header",
    ),
    "a short text for a header": ("<|channel|>final Yes.<|return|>", ANSWER, "malformed_header"),
    "a header and no more": ("<|channel|>final<|return|>", "", "malformed_header"),
    "a role and no more": (
        f"{THOUGHT}<|start|>assistant<|end|><|start|>assistant{FINAL}",
        f"{HM} | {ANSWER}",
        "malformed_header",
    ),
    "no message mark in a call": (
        '<|channel|>commentary to=functions.get_weather <|constrain|>json{"a": 1}<|call|>',
        CALL,
        "malformed_header",
    ),
    "no marks in a call": (
        '<|channel|>commentary to=functions.get_weather json{"a": 1}<|call|>',
        CALL,
        "malformed_header",
    ),
    "a call without arguments": (
        "<|channel|>commentary to=functions.get_weather<|call|>",
        "call/call to functions.get_weather: ",
        "malformed_header",
    ),
    "no start": (f"{THOUGHT}{FINAL}", f"{HM} | {ANSWER}", "missing_start"),
    "no start mark": (f"{THOUGHT}assistant{FINAL}", f"{HM} | {ANSWER}", "missing_start"),
    "neither start nor channel": (
        f"{THOUGHT}<|message|>Yes.<|return|>",
        f"{HM} | {ANSWER}",
        "missing_start missing_channel",
    ),
    "no end": (
        f"<|channel|>analysis<|message|>Hm.<|start|>assistant{FINAL}",
        "reasoning/next_message: Hm. | final/return: Yes.",
        "missing_end",
    ),
    "neither end nor start": (
        f"<|channel|>analysis<|message|>Hm.{FINAL}",
        "reasoning/next_message: Hm. | final/return: Yes.",
        "missing_end missing_start",
    ),
    "another stop": (
        "<|channel|>final<|message|>Yes.<|endoftext|>",
        "final/end_of_text: Yes.",
        "missing_end",
    ),
    "two ends": (f"{THOUGHT}<|end|><|start|>assistant{FINAL}", f"{HM} | {ANSWER}", "stray_mark"),
    "a message mark in a text": (
        "<|channel|>final<|message|>Y<|message|>es.<|return|>",
        ANSWER,
        "stray_mark",
    ),
    "a constraint in a text": (
        "<|channel|>final<|message|>Y<|constrain|>es.<|return|>",
        ANSWER,
        "stray_mark",
    ),
    "another control token in a text": (
        "<|channel|>final<|message|>Y<|startoftext|>es.<|return|>",
        ANSWER,
        "unknown_token",
    ),
    "another control token in a header": (
        "<|channel|>fi<|startoftext|>nal<|message|>Yes.<|return|>",
        ANSWER,
        "unknown_token",
    ),
    "more after the answer": (f"{FINAL}<|start|>assistant{FINAL}", ANSWER, "surplus_token"),
    "text after a final message": (
        "<|channel|>final<|message|>Yes.<|end|>No.",
        "final/end: Yes.",
        "surplus_token",
    ),
    "blanks between messages": (
        f"{THOUGHT}\n\n<|start|>assistant{FINAL}",
        f"{HM} | {ANSWER}",
        "surplus_token",
    ),
    "a final message and a call": (
        (
            "<|channel|>final<|message|>Yes.<|end|>"
            '<|start|>assistant<|channel|>commentary to=functions.get_weather<|message|>{"a": 1}<|call|>'
        ),
        'final/end: Yes. | call/call to functions.get_weather: {"a": 1}',
        "",
    ),
    "another's role": (
        f"{THOUGHT}<|start|>user<|message|>And?<|end|><|start|>assistant{FINAL}",
        "reasoning/end: Hm. | foreign/end: And? | final/return: Yes.",
        "foreign_role",
    ),
    "a tool's answer": (
        (
            "<|start|>functions.get_weather to=assistant<|channel|>commentary<|message|>8<|end|>"
            f"<|start|>assistant{FINAL}"
        ),
        "foreign/end to assistant: 8 | final/return: Yes.",
        "malformed_header foreign_role",
    ),
    "an undeclared tool": (
        '<|channel|>commentary to=functions.rm<|message|>{"a": 1}<|call|>',
        'preamble/call: {"a": 1}',
        "undeclared_recipient",
    ),
    "an undeclared tool in reasoning": (
        "<|channel|>analysis to=container.exec<|message|>Hm.<|end|>",
        HM,
        "undeclared_recipient",
    ),
    "a tool without its namespace": (
        '<|channel|>commentary to=get_weather<|message|>{"a": 1}<|call|>',
        CALL,
        "mended_recipient",
    ),
    "a tool with its namespace twice": (
        '<|channel|>commentary to=functions.functions.get_weather<|message|>{"a": 1}<|call|>',
        CALL,
        "mended_recipient",
    ),
    "a tool in capitals": (
        '<|channel|>commentary to=functions.Get_Weather<|message|>{"a": 1}<|call|>',
        CALL,
        "mended_recipient",
    ),
    "a tool with junk": (
        '<|channel|>commentary to=functions.get_weather:0<|message|>{"a": 1}<|call|>',
        CALL,
        "mended_recipient",
    ),
    "a channel behind a tool": (
        '<|channel|>commentary to=functions.get_weather<|channel|>commentary<|message|>{"a": 1}<|call|>',
        CALL,
        "malformed_header",
    ),
    "a bare name of a tool": (
        '<|channel|>commentary functions.get_weather<|message|>{"a": 1}<|call|>',
        CALL,
        "",
    ),
    "a call in reasoning": (
        '<|channel|>analysis to=functions.get_weather<|message|>{"a": 1}<|call|>',
        CALL,
        "misplaced_call",
    ),
    "a call in the answer": (
        '<|channel|>final to=functions.get_weather<|message|>{"a": 1}<|call|>',
        CALL,
        "misplaced_call",
    ),
    "a message to everybody": ("<|channel|>final to=all<|message|>Yes.<|return|>", ANSWER, ""),
    "a call that ends as others do": (
        '<|channel|>commentary to=functions.get_weather<|message|>{"a": 1}<|end|>',
        'call/end to functions.get_weather: {"a": 1}',
        "",
    ),
    "a cut text": ("<|channel|>final<|message|>Yes", "final/truncation: Yes", ""),
    "a cut header": ("<|channel|>fin", "", "malformed_header"),
    "a cut header of a call": ("<|channel|>commentary to=functions.get_weather", "", "malformed_header"),
    "a cut type of a call": (
        "<|channel|>commentary to=functions.get_weather <|constrain|>js",
        "",
        "malformed_header",
    ),
    "a cut role of a call": (f"{THOUGHT}<|start|>assistant to=python", HM, "malformed_header"),
}


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("case", CASES)
def test_a_malformed_answer_is_mended(o200k: HarmonyVocabulary, case: str, size: int) -> None:
    written, expected, recoveries = CASES[case]
    parser = HarmonyParser.of_answer(o200k, TOOLS)
    messages = assemble(read(parser, o200k.tokenizer.encode_with_specials(written), [size]))
    assert " | ".join(map(shown, messages)) == expected
    assert parser.recoveries.keys() == set(recoveries.split())
    assert all(
        parser.recoveries[each] == 1 for each in parser.recoveries if each is not Recovery.SURPLUS_TOKEN
    )


def shown(message: Read) -> str:
    recipient = message.began.recipient
    return f"{message.kind}/{message.ended_by}{f' to {recipient}' if recipient else ''}: {message.text}"


def test_a_mark_that_is_spelt_in_a_header_is_no_mark(o200k: HarmonyVocabulary) -> None:
    encode, marks = o200k.tokenizer.encode, o200k.marks
    header = encode("commentary to=functions.get_weather<|channel|>commentary")
    token_ids = [marks.channel, *header, marks.message, *encode("{}"), marks.call]
    parser = HarmonyParser.of_answer(o200k, TOOLS)
    (call,) = assemble(read(parser, token_ids))
    assert (call.kind, call.began.recipient, call.text) == (MessageKind.CALL, "functions.get_weather", "{}")
    assert dict(parser.recoveries) == {Recovery.MENDED_RECIPIENT: 1}


def test_a_spelling_that_may_mean_two_tools_means_none(small: HarmonyVocabulary) -> None:
    written = small.tokenizer.encode_with_specials("<|channel|>commentary to=RUN<|message|>{}<|call|>")
    for recipients, kind in (
        (["functions.run"], MessageKind.CALL),
        (["functions.run", "functions.Run"], MessageKind.PREAMBLE),
    ):
        (message,) = assemble(read(HarmonyParser.of_answer(small, recipients), written))
        assert message.kind is kind
