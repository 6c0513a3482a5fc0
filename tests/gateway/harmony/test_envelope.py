"""Whatever is drawn under the envelope's mask needs no mending; and what the renderer writes passes."""

import json
from dataclasses import dataclass

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.harmony.call_rule import CallRule
from gateway.harmony.conversation import Message
from gateway.harmony.envelope import Envelope, envelope
from gateway.harmony.events import EndedBy, MessageKind
from gateway.harmony.parser import HarmonyParser
from gateway.harmony.renderer import HarmonyRenderer
from gateway.harmony.settings import BuiltInTool, FunctionTool
from gateway.harmony.vocabulary import HarmonyVocabulary
from tests.gateway.harmony.generated import TEXTS
from tests.gateway.harmony.reading import Read, assemble, read
from tests.gateway.harmony.walking import walk
from workers.grammar.compiler import GrammarCompiler
from workers.grammar.spec import GrammarSpec

pytestmark = pytest.mark.xdist_group("o200k")  # one process holds the vocabulary

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 12},
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
        "unit": {"enum": ["celsius", "fahrenheit"]},
        "near": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
ORDER = {
    "$defs": {
        "item": {
            "type": "object",
            "properties": {"n": {"type": "number"}},
            "required": ["n"],
            "additionalProperties": False,
        }
    },
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}, "maxItems": 2},
        "note": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]},
    },
    "required": ["items", "note"],
    "additionalProperties": False,
}
NUM_WALKS = 40
NOTHING = {"type": "object", "maxProperties": 0}
FUNCTIONS = (
    FunctionTool("get_weather", "Weather.", WEATHER, is_strict=True),
    FunctionTool("Look-up.v2", parameters=ORDER),
    FunctionTool("now"),
)
RECIPIENT_TO_SCHEMA = {
    "functions.get_weather": WEATHER,
    "functions.Look-up.v2": ORDER,
    "functions.now": NOTHING,
}
BUILT_IN = {"browser.search", "browser.open", "browser.find", "python"}
ANSWER_SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Case:
    envelope: Envelope
    recipients: frozenset[str]
    can_answer: bool = True
    response: object = None


ALL = frozenset(RECIPIENT_TO_SCHEMA)
CASES = {
    "no tools": Case(envelope(), frozenset()),
    "none": Case(envelope(FUNCTIONS, rule=CallRule.none()), frozenset()),
    "auto": Case(envelope(FUNCTIONS), ALL),
    "built in": Case(
        envelope(FUNCTIONS[2:], frozenset(BuiltInTool)), frozenset(BUILT_IN | {"functions.now"})
    ),
    "required": Case(envelope(FUNCTIONS, rule=CallRule.required()), ALL, can_answer=False),
    "named": Case(
        envelope(FUNCTIONS, rule=CallRule.named("functions.get_weather")),
        frozenset({"functions.get_weather"}),
        can_answer=False,
    ),
    "schema": Case(
        envelope(response=GrammarSpec.json_schema(json.dumps(ANSWER_SCHEMA))),
        frozenset(),
        response=ANSWER_SCHEMA,
    ),
    "schema and tools": Case(
        envelope(FUNCTIONS, response=GrammarSpec.json_schema(json.dumps(ANSWER_SCHEMA))),
        ALL,
        response=ANSWER_SCHEMA,
    ),
    "object": Case(envelope(response=GrammarSpec.json_object()), frozenset(), response={"type": "object"}),
    "choice": Case(
        envelope(response=GrammarSpec.choice("yes", 'no "/', "")),
        frozenset(),
        response={"enum": ["yes", 'no "/', ""]},
    ),
    "regex": Case(
        envelope(response=GrammarSpec.regex(r"[a-c]{2}/\d+")),
        frozenset(),
        response={"pattern": r"^[a-c]{2}/\d+$"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_whatever_is_drawn_needs_no_mending(
    vocabulary: HarmonyVocabulary, compiler: GrammarCompiler, name: str
) -> None:
    case = CASES[name]
    compiled = compiler.compile(case.envelope.spec)
    called: set[str] = set()
    has_answered = False
    for seed in range(NUM_WALKS):
        token_ids = walk(compiled.begin(), vocabulary, seed, num_free=30)
        parser = HarmonyParser.of_answer(vocabulary, case.recipients)
        *before, last = assemble(read(parser, token_ids))
        assert parser.recoveries.total() == 0
        assert {each.kind for each in before} <= {MessageKind.REASONING, MessageKind.PREAMBLE}
        assert all(each.ended_by is EndedBy.END for each in before)
        if last.kind is MessageKind.CALL:
            called.add(check_call(last, case))
        else:
            check_final(last, case)
            has_answered = True
    assert has_answered == case.can_answer
    assert bool(called) == bool(case.recipients)


def check_call(call: Read, case: Case) -> str:
    recipient = call.began.recipient
    assert recipient in case.recipients
    assert call.ended_by is EndedBy.CALL
    if recipient != "python":
        jsonschema.validate(json.loads(call.text), RECIPIENT_TO_SCHEMA.get(recipient, {"type": "object"}))
    return recipient


def check_final(final: Read, case: Case) -> None:
    assert final.kind is MessageKind.FINAL
    assert final.ended_by is EndedBy.RETURN
    match case.response:
        case {"type": _}:
            jsonschema.validate(json.loads(final.text), case.response)
        case dict():
            jsonschema.validate(final.text, case.response)


_ASIDES = st.lists(st.one_of(TEXTS.map(Message.reasoning), TEXTS.map(Message.preamble)), max_size=3)
_CALLS = st.one_of(
    st.builds(
        lambda city, days: Message.call(
            "get_weather", json.dumps({"city": city, "days": days, "unit": "celsius"}, ensure_ascii=False)
        ),
        # Grammars want a DEL escaped in strings, as JSON does not.
        TEXTS.filter(lambda text: len(text) <= 12 and "\x7f" not in text),
        st.integers(1, 14),
    ),
    st.sampled_from(["{}", "{ }"]).map(lambda text: Message.call("now", text)),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_ASIDES, st.one_of(_CALLS, TEXTS.map(Message.final)))
def test_what_the_renderer_writes_passes(
    envelope_at_work: tuple[HarmonyRenderer, GrammarCompiler], asides: list[Message], last: Message
) -> None:
    renderer, compiler = envelope_at_work
    prompt = renderer.for_completion([])
    token_ids = renderer.for_training([*asides, last])
    assert token_ids[: len(prompt)] == prompt
    state = compiler.compile(CASES["auto"].envelope.spec).begin(token_ids[len(prompt) :])
    assert state.has_ended


@pytest.fixture(scope="module")
def envelope_at_work(
    vocabulary: HarmonyVocabulary, compiler: GrammarCompiler
) -> tuple[HarmonyRenderer, GrammarCompiler]:
    return HarmonyRenderer(vocabulary), compiler


# name: what is accepted, and the tokens of which the first is not
REFUSED = {
    "an unknown channel": ("<|channel|>", "x"),
    "text without a header": ("", "Yes"),
    "an undeclared tool": ("<|channel|>commentary to=functions.", "rm"),
    "a call on another channel": ("<|channel|>analysis", " to"),
    "arguments that the schema forbids": ("<|channel|>commentary to=functions.now<|message|>{", '"'),
    "a final answer that does not return": ("<|channel|>final<|message|>Yes", "<|end|>"),
    "a call that returns": ("<|channel|>commentary to=functions.now<|message|>{}", "<|return|>"),
    "another's role": ("<|channel|>analysis<|message|><|end|><|start|>", "user"),
    "a stop in reasoning": ("<|channel|>analysis<|message|>Hm", "<|return|>"),
    "another stop": ("<|channel|>final<|message|>Yes", "<|endoftext|>"),
    "two calls": ("<|channel|>commentary to=functions.now<|message|>{}<|call|>", "<|start|>"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_need_mending_is_refused(
    vocabulary: HarmonyVocabulary, compiler: GrammarCompiler, name: str
) -> None:
    before, after = map(vocabulary.tokenizer.encode_with_specials, REFUSED[name])
    state = compiler.compile(CASES["auto"].envelope.spec).begin(before)
    assert not state.accept(after[0])
