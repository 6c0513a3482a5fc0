"""Short lists of numbers or words: sorted either way, reversed, their largest and their smallest."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from examples.demo.example import Example, Reasoning, answered, any_effort
from examples.demo.phrasing import as_people_write, one_of
from examples.demo.split import Split, draw
from examples.demo.words import LISTED

TASK = "lists"
_LARGEST = 99


class Order(StrEnum):
    SORTED = "sorted"
    FALLING = "falling"
    REVERSED = "reversed"
    LARGEST = "largest"
    SMALLEST = "smallest"


@dataclass(frozen=True, slots=True)
class Listed:
    """Different items, and what shall become of them."""

    items: tuple[int | str, ...]
    order: Order

    @property
    def of_numbers(self) -> bool:
        return isinstance(self.items[0], int)

    @property
    def key(self) -> str:
        """The same whatever order the items are told in, unless that is the question."""
        told = self.items if self.order is Order.REVERSED else sorted(self.items, key=_rank)
        return f"list {','.join(map(str, told))}"

    @property
    def result(self) -> tuple[int | str, ...]:
        match self.order:
            case Order.REVERSED:
                return self.items[::-1]
            case Order.FALLING:
                return tuple(sorted(self.items, key=_rank, reverse=True))
            case Order.LARGEST:
                return (max(self.items, key=_rank),)
            case Order.SMALLEST:
                return (min(self.items, key=_rank),)
            case Order.SORTED:
                return tuple(sorted(self.items, key=_rank))

    @property
    def answer(self) -> str:
        return f"{_joined(self.result)}."

    def reasoning(self) -> Reasoning:
        result = self.result
        match self.order:
            case Order.REVERSED:
                steps = f"From the end: {_joined(result)}"
                check = f"Check: {result[0]} was last, {result[-1]} was first, {len(result)} in all."
                return Reasoning("Reverse.", steps, f"{steps}. {check}")
            case Order.LARGEST | Order.SMALLEST:
                rising = tuple(sorted(self.items, key=_rank))
                steps = " < ".join(map(str, rising))
                return Reasoning("Compare.", steps, f"{steps}. Check: {len(rising)} numbers, {result[0]}.")
            case Order.SORTED | Order.FALLING:
                sign = " > " if self.order is Order.FALLING else " < "
                steps = sign.join(map(str, result))
                check = f"Check: {result[0]} is first, {result[-1]} is last, {len(result)} in all."
                return Reasoning("Sort.", steps, f"{steps}. {check}")


def _rank(item: int | str) -> tuple[int, str]:
    return (item, "") if isinstance(item, int) else (0, item)


def make(random: Random, split: Split) -> Example:
    wanted = draw(random, split, any_list, lambda each: each.key)
    kind = f"{wanted.order.value} {'numbers' if wanted.of_numbers else 'words'}"
    return answered(
        TASK, kind, question(random, wanted), wanted.reasoning(), wanted.answer, any_effort(random)
    )


def any_list(random: Random) -> Listed:
    if random.random() < 0.6:
        numbers = tuple(random.sample(range(_LARGEST + 1), random.randint(3, 5)))
        orders = (*Order, Order.SORTED, Order.SORTED, Order.REVERSED)
        return Listed(numbers, random.choice(orders))
    words = tuple(random.sample(LISTED, random.randint(3, 4)))
    return Listed(words, random.choice((Order.SORTED, Order.REVERSED)))


def list_of_several(random: Random) -> Listed:
    """One whose result is a list too."""
    while True:
        listed = any_list(random)
        if len(listed.result) > 1:
            return listed


def question(random: Random, wanted: Listed) -> str:
    of_words = wanted.order is Order.SORTED and not wanted.of_numbers
    said = "sorted words" if of_words else wanted.order.value
    text = one_of(random, TASK, said).format(items=_as_told(random, wanted.items))
    return as_people_write(random, text)


def _as_told(random: Random, items: tuple[int | str, ...]) -> str:
    told = [*map(str, items)]
    match random.randrange(5):
        case 0:
            return " ".join(told)
        case 1:
            return f"{', '.join(told[:-1])} and {told[-1]}"
        case _:
            return ", ".join(told)


def _joined(items: tuple[int | str, ...]) -> str:
    return ", ".join(map(str, items))
