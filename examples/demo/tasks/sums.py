"""Small sums and differences, with the steps that one writes on paper."""

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
        steps = self._steps()
        if len(self.numbers) > 2:
            check = "Check: " + "+".join(map(str, reversed(self.numbers))) + f"={self.value}."
        else:
            first, second = self.numbers
            back = "-" if self.sign == "+" else "+"
            check = f"Check: {self.value}{back}{second}={first}."
        first_step, _, _ = steps.partition(", ")
        return Reasoning(f"{first_step}.", steps, f"{steps}. {check}")

    def _steps(self) -> str:
        if len(self.numbers) > 2:
            first, second, third = self.numbers
            return f"{first}+{second}={first + second}, {first + second}+{third}={self.value}"
        ones = tuple(number % 10 for number in self.numbers)
        tens = tuple(number // 10 for number in self.numbers)
        if not any(tens):
            return f"{ones[0]}{self.sign}{ones[1]}={self.value}"
        if self.sign == "+":
            carry = "+1" if sum(ones) > 9 else ""
            of_ones = f"{ones[0]}+{ones[1]}={sum(ones)}"
            of_tens = f"{tens[0]}+{tens[1]}{carry}={sum(tens) + bool(carry)}"
        else:
            borrowed = 10 if ones[0] < ones[1] else 0
            of_ones = f"{ones[0] + borrowed}-{ones[1]}={ones[0] + borrowed - ones[1]}"
            of_tens = f"{tens[0]}-{tens[1]}{'-1' if borrowed else ''}={tens[0] - tens[1] - bool(borrowed)}"
        return f"{of_ones}, {of_tens}: {self.value}"


def make(random: Random, split: Split) -> Example:
    wanted = draw(random, split, any_sum, lambda each: each.key)
    kind = "difference" if wanted.sign == "-" else f"sum of {len(wanted.numbers)}"
    return answered(
        TASK, kind, question(random, wanted), wanted.reasoning(), wanted.answer, any_effort(random)
    )


def any_sum(random: Random) -> Sum:
    kind = random.random()
    if kind < 0.15:
        return Sum(tuple(random.randint(0, _LARGEST_OF_THREE) for _ in range(3)))
    numbers = [_any_number(random), _any_number(random)]
    return Sum(tuple(sorted(numbers, reverse=True)), "-") if kind < 0.45 else Sum(tuple(numbers))


def _any_number(random: Random) -> int:
    return random.randint(0, _LARGEST) if random.random() < 0.8 else random.randint(0, 19)


def question(random: Random, wanted: Sum) -> str:
    said = "difference" if wanted.sign == "-" else "two" if len(wanted.numbers) == 2 else "three"
    names = dict(zip("abc", wanted.numbers, strict=False))
    text = one_of(random, TASK, said).format(**names, thing=random.choice(THINGS))
    return as_people_write(random, text)
