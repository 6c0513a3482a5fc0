"""Second questions that mean what was said before: a sum goes on, a list is turned, a name is remembered."""

from random import Random

from examples.demo.example import Example, Reasoning, answered, any_effort
from examples.demo.phrasing import as_people_write, one_of
from examples.demo.split import Split, draw
from examples.demo.tasks import lists, sums
from examples.demo.tasks.lists import Listed, Order
from examples.demo.tasks.sums import Sum
from examples.demo.words import person
from gateway.chat.turns import AssistantTurn, UserTurn

TASK = "follow-ups"


def make(random: Random, split: Split) -> Example:
    kind = random.random()
    if kind < 0.45:
        return _of_sum(random, split)
    return _of_list(random, split) if kind < 0.75 else _of_name(random, split)


def _of_sum(random: Random, split: Split) -> Example:
    first, wanted = draw(random, split, _two_sums, lambda each: each[1].key)
    said = "plus" if wanted.sign == "+" else "minus"
    second = as_people_write(random, one_of(random, TASK, said).format(n=wanted.numbers[1]))
    turns = (UserTurn(sums.question(random, first)), AssistantTurn(content=first.answer), UserTurn(second))
    return answered(TASK, "sum goes on", turns, wanted.reasoning(), wanted.answer, any_effort(random))


def _two_sums(random: Random) -> tuple[Sum, Sum]:
    """The second goes on with the first one's value, which has two digits at most."""
    first = sums.any_sum(random)
    while first.value > 99:
        first = sums.any_sum(random)
    if random.random() < 0.35:
        return first, Sum((first.value, random.randint(0, first.value)), "-")
    return first, Sum((first.value, random.randint(0, 50)))


def _of_list(random: Random, split: Split) -> Example:
    first = draw(random, split, lists.list_of_several, lambda each: _turned(each).key)
    wanted = _turned(first)
    second = as_people_write(random, one_of(random, TASK, "turn"))
    turns = (UserTurn(lists.question(random, first)), AssistantTurn(content=first.answer), UserTurn(second))
    return answered(TASK, "list turned", turns, wanted.reasoning(), wanted.answer, any_effort(random))


def _turned(first: Listed) -> Listed:
    return Listed(first.result, Order.REVERSED)


def _of_name(random: Random, split: Split) -> Example:
    name = draw(random, split, person, lambda each: f"name {each}")
    thought = Reasoning(
        "Name.", f"The name is {name}.", f"The user said it before: the name is {name}. I say it."
    )
    turns = (
        UserTurn(as_people_write(random, one_of(random, TASK, "called").format(name=name))),
        AssistantTurn(content=f"Hello {name}."),
        UserTurn(as_people_write(random, one_of(random, TASK, "who"))),
    )
    return answered(TASK, "name remembered", turns, thought, f"Your name is {name}.", any_effort(random))
