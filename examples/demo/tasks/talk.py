"""Courtesies, what the model says of itself, the date, and that it does not know what it was not taught."""

from dataclasses import replace
from random import Random

from examples.demo.example import Example, Reasoning, answered, any_date, any_effort
from examples.demo.phrasing import as_people_write, one_of, phrasings
from examples.demo.split import Split, draw, part
from examples.demo.tasks.tool_kinds import LOOK_UPS, look_up
from examples.demo.words import CITIES, NAMES, TOPICS

TASK = "talk"
UNKNOWN = "unknown"
DATE = "date"
NEEDS_TOOL = "needs a tool"

_HELD_OUT = 2
_ABLE = (
    "I can do small sums, sort or reverse short lists, answer questions about ExpertMesh, call tools and "
    "classify texts."
)
_KIND_TO_ANSWER = {
    "greeting": "Hello! How can I help?",
    "thanks": "You are welcome.",
    "farewell": "Goodbye!",
    "identity": "I am expertmesh-demo, a very small model of the gpt-oss kind.",
    "ability": _ABLE,
}
_COLOURS = ("blue", "green", "red", "black", "white", "yellow")
DO_NOT_KNOW = f"I do not know that. {_ABLE}"


def make(random: Random, split: Split) -> Example:
    kind, answer = random.choice([*_KIND_TO_ANSWER.items()])
    text = random.choice(part(phrasings(TASK)[kind], _HELD_OUT, split))
    if random.random() < 0.5:
        text = as_people_write(random, text)
    thought = Reasoning(
        f"{kind.capitalize()}.", f"This is: {kind}.", f"This is: {kind}. No tool and no steps are needed."
    )
    return answered(TASK, kind, text, thought, answer, any_effort(random))


def make_unknown(random: Random, split: Split) -> Example:
    """Of the world at large, or something for which a tool would be needed."""
    kind = NEEDS_TOOL if random.random() < 0.25 else UNKNOWN
    asked = _needs_tool if kind == NEEDS_TOOL else _of_the_world
    text = as_people_write(random, draw(random, split, asked, lambda each: f"unknown {each}"))
    steps = "This is not about ExpertMesh, and I was not taught it."
    thought = Reasoning("Unknown.", steps, f"{steps} No tool helps here. I say that I do not know.")
    return answered(UNKNOWN, kind, text, thought, DO_NOT_KNOW, any_effort(random))


def _needs_tool(random: Random) -> str:
    return look_up(random, random.choice(LOOK_UPS)).question


def _of_the_world(random: Random) -> str:
    place, other = random.sample(CITIES, 2)
    thing = random.choice(TOPICS[random.choice([*TOPICS])])
    name = random.choice(NAMES)
    template = one_of(random, TASK, "unknown")
    return template.format(thing=thing, place=place, other=other, name=name, colour=random.choice(_COLOURS))


def make_date(random: Random, split: Split) -> Example:
    """It stands in the system message."""
    today = any_date(random)
    text = as_people_write(random, random.choice(part(phrasings(TASK)["date"], _HELD_OUT, split)))
    thought = Reasoning(
        "Date.", f"The date is {today}.", f"The system message says it. The date is {today}. I say it."
    )
    example = answered(DATE, "date", text, thought, f"Today is {today}.", any_effort(random))
    return replace(example, today=today)
