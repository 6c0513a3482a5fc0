"""How often each task comes, and the stream of conversations that is trained on.

Everything follows from the seed. Not here: tokens (`rendering`).
"""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from examples.demo.example import Example, Maker, any_date
from examples.demo.split import Split
from examples.demo.tasks import (
    classification,
    facts,
    follow_ups,
    lists,
    structured,
    sums,
    talk,
    tool_kinds,
    tools,
)
from gateway.chat.turns import AssistantTurn, InstructionTurn, Turn

TASK_TO_MAKER: dict[str, Maker] = {
    sums.TASK: sums.make,
    lists.TASK: lists.make,
    facts.TASK: facts.make,
    tool_kinds.TASK: tools.make,
    classification.TASK: classification.make,
    structured.TASK: structured.make,
    follow_ups.TASK: follow_ups.make,
    talk.TASK: talk.make,
    talk.UNKNOWN: talk.make_unknown,
    talk.DATE: talk.make_date,
}
_TASK_TO_WEIGHT = {
    sums.TASK: 20,
    lists.TASK: 18,
    facts.TASK: 15,
    tool_kinds.TASK: 14,
    classification.TASK: 12,
    structured.TASK: 9,
    follow_ups.TASK: 6,
    talk.TASK: 3,
    talk.UNKNOWN: 4,
    talk.DATE: 2,
}
_WITH_OTHER_TOOLS = 0.12
_WITH_INSTRUCTIONS = 0.12
_WITH_EARLIER_TURNS = 0.12
_WITH_OWN_SETTINGS = frozenset({tool_kinds.TASK, classification.TASK, structured.TASK})
_EARLIER = (sums.TASK, lists.TASK, facts.TASK, talk.TASK)


def examples(seed: int, split: Split, task: str | None = None) -> Iterator[Example]:
    """Of one task, or of all in their proportions; without an end."""
    random = Random(f"{seed} {split.name} {task}")
    names, weights = [*_TASK_TO_WEIGHT], [*_TASK_TO_WEIGHT.values()]
    while True:
        name = task or random.choices(names, weights)[0]
        example = TASK_TO_MAKER[name](random, split)
        if name != classification.TASK and random.random() < _WITH_EARLIER_TURNS:
            example = _continued(random, split, example)
        if name not in _WITH_OWN_SETTINGS:
            example = _dressed(random, example)
        yield example if example.today is not None else replace(example, today=any_date(random))


def held_out(seed: int, task: str, count: int) -> list[Example]:
    """Different conversations of a task, at most so many: some tasks have few."""
    found: dict[str, Example] = {}
    for _, example in zip(range(20 * count), examples(seed, Split.HELD_OUT, task), strict=False):
        found.setdefault(repr(example.request.turns), example)
        if len(found) == count:
            break
    return [*found.values()]


def _continued(random: Random, split: Split, example: Example) -> Example:
    """The same question, after others that have nothing to do with it."""
    earlier: list[Turn] = []
    for _ in range(random.choice((1, 1, 2))):
        other = TASK_TO_MAKER[random.choice(_EARLIER)](random, split)
        earlier += (*other.request.turns, AssistantTurn(content=other.reply[-1].text))
    turns = example.request.turns
    leading = tuple(turn for turn in turns if isinstance(turn, InstructionTurn))
    changed = replace(example.request, turns=(*leading, *earlier, *turns[len(leading) :]))
    return replace(example, request=changed)


def _dressed(random: Random, example: Example) -> Example:
    """As applications send it: with instructions, and with tools, that do not matter here."""
    if example.kind != talk.NEEDS_TOOL and random.random() < _WITH_OTHER_TOOLS:
        example = tools.with_other_tools(random, example)
    if random.random() < _WITH_INSTRUCTIONS:
        example = tools.with_instructions(random, example)
    return example
