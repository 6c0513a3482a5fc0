"""All tasks: what is held out is never trained on, and every reply is harmony that the gateway reads."""

from collections import Counter
from itertools import islice

import pytest

from examples.demo.curriculum import TASK_TO_MAKER, examples, held_out
from examples.demo.example import Example
from examples.demo.rendering import ExampleRenderer
from examples.demo.split import Split
from examples.demo.tasks.facts import all_facts
from gateway.chat.turns import UserTurn
from gateway.harmony.events import EndedBy, MessageEnded, MessageKind, TextDelta
from gateway.harmony.parser import HarmonyParser
from gateway.harmony.settings import Channel

TASKS = [*TASK_TO_MAKER]


def asked(example: Example) -> str:
    return " / ".join(turn.text for turn in example.request.turns if isinstance(turn, UserTurn))


@pytest.mark.parametrize("task", TASKS)
def test_nothing_that_is_held_out_is_trained_on(task: str) -> None:
    training = {asked(example) for example in islice(examples(1, Split.TRAINING, task), 1500)}
    found = {asked(example) for example in held_out(2, task, 100)}
    assert len(found) > 10
    assert not training & found


@pytest.mark.parametrize("task", TASKS)
def test_the_gateway_reads_what_is_to_be_learned(task: str, renderer: ExampleRenderer) -> None:
    for example in islice(examples(5, Split.TRAINING, task), 60):
        recipients = [tool.recipient for tool in example.request.tools]
        parser = HarmonyParser.of_answer(renderer.vocabulary, recipients)
        events = [*parser.push(renderer.render(example).reply), *parser.finish()]
        assert parser.recoveries.total() == 0
        text_of = dict.fromkeys(MessageKind, "")
        for event in events:
            if isinstance(event, TextDelta):
                text_of[event.kind] += event.text
        thought, said = example.reply
        is_call = said.channel == Channel.COMMENTARY
        assert text_of[MessageKind.REASONING] == thought.text
        assert text_of[MessageKind.CALL if is_call else MessageKind.FINAL] == said.text
        ends = [event.ended_by for event in events if isinstance(event, MessageEnded)]
        assert ends == [EndedBy.END, EndedBy.CALL if is_call else EndedBy.RETURN]


def test_the_same_seed_gives_the_same_conversations() -> None:
    first, again, other = ([*islice(examples(seed, Split.TRAINING), 50)] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_every_fact_has_phrasings_for_both_sides() -> None:
    facts = all_facts()
    assert len(facts) > 60
    assert all(len(set(fact.questions)) == len(fact.questions) >= 8 for fact in facts)
    every_question = Counter(question for fact in facts for question in fact.questions)
    assert [question for question, count in every_question.items() if count > 1] == []
