"""Questions about this project, as its documents answer them. Of each fact two phrasings are held out."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from examples.demo.example import Example, Reasoning, answered, any_effort
from examples.demo.phrasing import as_people_write
from examples.demo.split import Split, part

TASK = "facts"

_FOLDER = Path(__file__).parent.parent / "facts"
_HELD_OUT = 2
_BEFORE = ("In ExpertMesh: ", "Tell me: ", "I want to know: ", "About the mesh: ")


@dataclass(frozen=True, slots=True)
class Fact:
    """What the questions are about, their answer, and they."""

    topic: str
    answer: str
    questions: tuple[str, ...]

    def reasoning(self) -> Reasoning:
        steps = f"The question is about: {self.topic}."
        return Reasoning(
            "Documents.", steps, f"{steps} The documents of ExpertMesh say it. I answer in short."
        )


@cache
def all_facts() -> tuple[Fact, ...]:
    return tuple(fact for path in sorted(_FOLDER.glob("*.txt")) for fact in _read(path.read_text("utf-8")))


def _read(text: str) -> Iterator[Fact]:
    """A fact is three lines: topic, answer, and questions between bars."""
    for block in text.strip().split("\n\n"):
        topic, answer, questions = block.split("\n")
        yield Fact(topic, answer, tuple(question.strip() for question in questions.split("|")))


def make(random: Random, split: Split) -> Example:
    fact = random.choice(all_facts())
    question = random.choice(part(fact.questions, _HELD_OUT, split))
    if random.random() < 0.06:
        question = random.choice(_BEFORE) + question
    text = as_people_write(random, question)
    return answered(TASK, fact.topic, text, fact.reasoning(), fact.answer, any_effort(random))
