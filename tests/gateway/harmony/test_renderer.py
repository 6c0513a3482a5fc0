"""Against openai-harmony, token for token; and the cases that its own documentation shows, as text."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings

from gateway.harmony.conversation import JSON_CONTENT, Message, Role
from gateway.harmony.history import EarlierReasoning, shown_messages
from gateway.harmony.nesting import MAX_DEPTH
from gateway.harmony.renderer import HarmonyRenderer
from gateway.harmony.settings import (
    DeveloperSettings,
    FunctionTool,
    ReasoningEffort,
    ResponseFormat,
    SystemSettings,
)
from gateway.harmony.vocabulary import HarmonyVocabulary
from protos.errors import InvalidRequestError
from tests.gateway.harmony.generated import CONVERSATIONS, SCHEMAS, SPECIAL_LOOKING, TEXTS
from tests.gateway.harmony.oracle import Oracle

pytestmark = pytest.mark.xdist_group("o200k")  # one process holds the vocabulary

MANY = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Renderers:
    """One for each rule, over gpt-oss's vocabulary."""

    def __init__(self, vocabulary: HarmonyVocabulary) -> None:
        self.decode = vocabulary.tokenizer.decode
        self.dropping = HarmonyRenderer(vocabulary)
        self.keeping = HarmonyRenderer(vocabulary, EarlierReasoning.KEPT)
        self.alike = HarmonyRenderer(vocabulary, EarlierReasoning.AS_OPENAI_HARMONY)


@pytest.fixture(scope="module")
def renderers(o200k: HarmonyVocabulary) -> Renderers:
    return Renderers(o200k)


@MANY
@given(CONVERSATIONS)
def test_prompts_equal_those_of_openai_harmony(
    renderers: Renderers, oracle: Oracle, messages: Sequence[Message]
) -> None:
    for renderer, drop in ((renderers.alike, True), (renderers.keeping, False)):
        assert renderer.for_completion(messages) == oracle.for_completion(messages, drop=drop)
        assert renderer.for_training(messages) == oracle.for_training(messages, drop=drop)


@MANY
@given(CONVERSATIONS)
def test_what_is_left_of_a_history_is_written_alike(
    renderers: Renderers, oracle: Oracle, messages: Sequence[Message]
) -> None:
    left = shown_messages(messages, EarlierReasoning.DROPPED)
    assert renderers.dropping.for_completion(messages) == oracle.for_completion(left, drop=False)


@MANY
@given(SCHEMAS, TEXTS)
def test_signatures_equal_those_of_openai_harmony(
    renderers: Renderers, oracle: Oracle, schema: object, description: str
) -> None:
    wrapped = {"type": "object", "properties": {"x": schema, "items": {"type": "array", "items": schema}}}
    for parameters in (wrapped, schema if isinstance(schema, dict) else {"oneOf": [schema]}):
        function = FunctionTool("f", description, parameters)
        messages = [Message.of(Role.DEVELOPER, DeveloperSettings(functions=(function,)))]
        ours, theirs = renderers.dropping.for_completion(messages), oracle.for_completion(messages, drop=True)
        assert renderers.decode(ours) == renderers.decode(theirs)
        assert ours == theirs


SYSTEM_LINES = """\
You are ChatGPT, a large language model trained by OpenAI.
Knowledge cutoff: 2024-06
Current date: 2026-11-26

Reasoning: high

# Valid channels: analysis, commentary, final. Channel must be included for every message."""
FUNCTIONS_LINE = "\nCalls to these tools must go to the commentary channel: 'functions'."
DEVELOPER_LINES = """\
# Instructions

Be brief.

# Tools

## functions

namespace functions {

// Tells where the user is.
type locate = () => any;

// Asks for tides.
// Twice a day.
type tides = (_: {
// Where, e.g. "Cuxhaven"
harbour: string,
unit?: "m" | "ft", // default: m
days?: number[],
}) => any;

} // namespace functions"""
TIDES = {
    "type": "object",
    "properties": {
        "harbour": {"type": "string", "description": 'Where, e.g. "Cuxhaven"'},
        "unit": {"type": "string", "enum": ["m", "ft"], "default": "m"},
        "days": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["harbour"],
}
SYSTEM = Message.of(Role.SYSTEM, SystemSettings(current_date="2026-11-26", effort=ReasoningEffort.HIGH))
DEVELOPER = Message.of(
    Role.DEVELOPER,
    DeveloperSettings(
        "Be brief.",
        (
            FunctionTool("locate", "Tells where the user is."),
            FunctionTool("tides", "Asks for tides.\nTwice a day.", TIDES),
        ),
    ),
)
QUESTION = Message.of(Role.USER, "High water?")
LOOP = [
    Message.reasoning("Ask."),
    Message.preamble("One moment."),
    Message.call("tides", '{"harbour":"Husum"}'),
    Message.result("tides", '{"at":"04:10"}'),
]
START = "<|start|>assistant"
WRITTEN = {
    "a question": (
        [SYSTEM, QUESTION],
        f"<|start|>system<|message|>{SYSTEM_LINES}<|end|><|start|>user<|message|>High water?<|end|>{START}",
    ),
    "functions": (
        [SYSTEM, DEVELOPER],
        (
            f"<|start|>system<|message|>{SYSTEM_LINES}{FUNCTIONS_LINE}<|end|>"
            f"<|start|>developer<|message|>{DEVELOPER_LINES}<|end|>{START}"
        ),
    ),
    "a loop of calls": (
        [QUESTION, *LOOP],
        (
            "<|start|>user<|message|>High water?<|end|>"
            f"{START}<|channel|>analysis<|message|>Ask.<|end|>"
            f"{START}<|channel|>commentary<|message|>One moment.<|end|>"
            f"{START} to=functions.tides<|channel|>commentary <|constrain|>json<|message|>"
            '{"harbour":"Husum"}<|call|>'
            '<|start|>functions.tides to=assistant<|channel|>commentary<|message|>{"at":"04:10"}<|end|>'
            f"{START}"
        ),
    ),
    "the turn after": (
        [QUESTION, Message.reasoning("Ask."), Message.final("At 04:10."), QUESTION],
        (
            "<|start|>user<|message|>High water?<|end|>"
            f"{START}<|channel|>final<|message|>At 04:10.<|end|>"
            f"<|start|>user<|message|>High water?<|end|>{START}"
        ),
    ),
    "response formats": (
        [
            Message.of(
                Role.DEVELOPER,
                DeveloperSettings(
                    "Be brief.",
                    response_formats=(
                        ResponseFormat("tide", {"type": "object", "é": [1, 2.0]}, "When\nand how high."),
                        ResponseFormat("none", {}),
                    ),
                ),
            )
        ],
        (
            "<|start|>developer<|message|># Instructions\n\nBe brief.\n\n# Response Formats\n\n"
            '## tide\n\n// When\n// and how high.\n{"type":"object","é":[1,2.0]}\n\n## none\n\n{}<|end|>'
            f"{START}"
        ),
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_forms_that_the_format_describes(
    o200k: HarmonyVocabulary, renderers: Renderers, oracle: Oracle, name: str
) -> None:
    messages, expected = WRITTEN[name]
    token_ids = renderers.dropping.for_completion(messages)
    assert token_ids == o200k.tokenizer.encode_with_specials(expected)
    assert token_ids == oracle.encode_with_specials(expected)


def test_a_final_answer_returns_where_it_is_trained_on_alone(
    o200k: HarmonyVocabulary, renderers: Renderers
) -> None:
    messages = [QUESTION, Message.final("At 04:10.")]
    stored, trained = renderers.dropping.conversation(messages), renderers.dropping.for_training(messages)
    assert (stored[-1], trained[-1]) == (o200k.marks.end, o200k.marks.return_)
    assert stored[:-1] == trained[:-1]
    assert renderers.dropping.for_training([]) == []
    assert renderers.dropping.for_training(messages[:1])[-1] == o200k.marks.end


@pytest.mark.parametrize("spelt", SPECIAL_LOOKING)
def test_text_that_spells_a_mark_is_text(small: HarmonyVocabulary, spelt: str) -> None:
    """Wherever a client's text stands; of the vocabulary of bytes too."""
    function = FunctionTool("f", spelt, {"type": "object", "properties": {spelt: {"description": spelt}}})
    messages = [
        Message.of(Role.SYSTEM, SystemSettings(identity=spelt, current_date=spelt)),
        Message.of(Role.DEVELOPER, DeveloperSettings(spelt, (function,))),
        Message(Role.USER, (spelt,), name=spelt),
        Message(
            Role.ASSISTANT, (spelt,), channel=spelt, recipient=spelt, content_type=f"{JSON_CONTENT}{spelt}"
        ),
    ]
    written = HarmonyRenderer(small).for_completion(messages)
    marks = small.marks
    counted = [mark for mark in written if small.tokenizer.is_special(mark)]
    assert counted == [
        *[marks.start, marks.message, marks.end] * 3,
        *[marks.start, marks.channel, marks.constrain, marks.message, marks.call, marks.start],
    ]
    assert small.tokenizer.decode(written).count(spelt) == 12


def test_half_a_surrogate_pair_cannot_be_written(small: HarmonyVocabulary) -> None:
    with pytest.raises(InvalidRequestError, match="half a surrogate pair"):
        HarmonyRenderer(small).for_completion([Message.of(Role.USER, "\ud800")])


def test_what_nests_as_deep_as_it_may_is_written(small: HarmonyVocabulary) -> None:
    schema: dict[str, object] = {}
    for _ in range(MAX_DEPTH - 1):
        schema = {"type": "array", "items": schema}
    deep = DeveloperSettings(functions=(FunctionTool("f", parameters=schema),))
    written = HarmonyRenderer(small).for_completion([Message.of(Role.DEVELOPER, deep)])
    assert f"(_: any{'[]' * (MAX_DEPTH - 1)}) => any" in small.tokenizer.decode(written)
