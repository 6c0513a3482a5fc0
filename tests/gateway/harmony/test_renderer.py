"""Against openai-harmony, token for token; and the cases that its own documentation shows, as text."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings

from gateway.harmony.conversation import Message, Role
from gateway.harmony.history import EarlierReasoning, shown_messages
from gateway.harmony.renderer import HarmonyRenderer
from gateway.harmony.settings import DeveloperSettings, FunctionTool
from gateway.harmony.vocabulary import HarmonyVocabulary
from tests.gateway.harmony.generated import CONVERSATIONS, SCHEMAS, TEXTS
from tests.gateway.harmony.oracle import Oracle

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
