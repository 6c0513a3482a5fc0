"""Small sums and differences, with the steps that one writes on paper."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from examples.demo.example import Example, Reasoning, answered, any_effort
from examples.demo.phrasing import as_people_write, one_of
from examples.demo.split import Split, draw
from examples.demo.words import THINGS

TASK = "sums"
_LARGEST = 99
_LARGEST_OF_THREE = 20


@dataclass(frozen=True, slots=True)
class Sum:
    """Two or three numbers that are added, or two of which the second is taken away."""

    numbers: tuple[int, ...]
    sign: str = "+"

    @property
    def value(self) -> int:
        first, *others = self.numbers
        return first + sum(others) if self.sign == "+" else first - sum(others)

    @property
    def text(self) -> str:
        return f" {self.sign} ".join(map(str, self.numbers))

    @property
    def key(self) -> str:
        """The same for 3 + 4 and 4 + 3."""
        numbers = sorted(self.numbers) if self.sign == "+" else self.numbers
        return f"sum {self.sign.join(map(str, numbers))}"

    @property
    def answer(self) -> str:
        return f"{self.text} = {self.value}."

    def reasoning(self) -> Reasoning:
        steps = [*self._steps()]
        if len(self.numbers) > 2:
            back = "+".join(map(str, reversed(self.numbers))) + f"={self.value}"
        else:
            first, second = self.numbers
            back = f"{self.value}{'-' if self.sign == '+' else '+'}{second}={first}"
        written = ", ".join(steps)
        return Reasoning(f"{steps[0]}.", written, f"{written}. Check: {back}.")

    def _steps(self) -> Iterator[str]:
        """Each with numbers of at most two digits, of which one is short or round."""
        if len(self.numbers) > 2:
            first, second, third = self.numbers
            yield f"{first}+{second}={first + second}"
            yield f"{first + second}+{third}={self.value}"
            return
        first, second = self.numbers
        ones = second % 10
        if self.sign == "-":
            if second > ones > 0:
                yield f"{first}-{second - ones}={first - second + ones}"
                yield f"{first - second + ones}-{ones}={self.value}"
            else:
                yield f"{first}-{second}={self.value}"
            return
        tens, both_ones = self.value - first % 10 - ones, first % 10 + ones
        yield f"{first % 10}+{ones}={both_ones}"
        if min(first, second) > 9:
            yield f"{first - first % 10}+{second - ones}={tens}"
        if tens:
            yield f"{tens}+{both_ones}={self.value}"


def make(random: Random, split: Split) -> Example:
    wanted = draw(random, split, any_sum, lambda each: each.key)
    kind = "difference" if wanted.sign == "-" else f"sum of {len(wanted.numbers)}"
    return answered(
        TASK, kind, question(random, wanted), wanted.reasoning(), wanted.answer, any_effort(random)
    )


def any_sum(random: Random) -> Sum:
    """Whose value has at most two digits and is not below zero."""
    kind = random.random()
    if kind < 0.15:
        return Sum(tuple(random.randint(0, _LARGEST_OF_THREE) for _ in range(3)))
    value, part = random.randint(0, _LARGEST), random.random()
    if random.random() < 0.2:
        value = random.randint(0, 19)
    second = round(value * part)
    return Sum((value, second), "-") if kind < 0.45 else Sum((value - second, second))


def question(random: Random, wanted: Sum) -> str:
    said = "difference" if wanted.sign == "-" else "two" if len(wanted.numbers) == 2 else "three"
    names = dict(zip("abc", wanted.numbers, strict=False))
    text = one_of(random, TASK, said).format(**names, thing=random.choice(THINGS))
    return as_people_write(random, text)
