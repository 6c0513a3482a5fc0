"""How people write: what they say for one thing (`phrasings/`), with and without capitals and courtesies."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from random import Random

_FOLDER = Path(__file__).parent / "phrasings"
_BEFORE = ("Please: ", "Hi, ", "Hello. ", "Question: ", "Hey, ")
_AFTER = (" Please.", " Thanks.", " Thank you.")


@cache
def phrasings(task: str) -> Mapping[str, tuple[str, ...]]:
    """By what they say. A name in brackets, then a phrasing a line; \\n stands for a line feed."""
    sections: dict[str, tuple[str, ...]] = {}
    for block in (_FOLDER / f"{task}.txt").read_text(encoding="utf-8").split("\n\n"):
        name, *lines = block.strip().split("\n")
        sections[name.strip("[]")] = tuple(line.replace("\\n", "\n") for line in lines)
    return sections


def one_of(random: Random, task: str, said: str) -> str:
    return random.choice(phrasings(task)[said])


def as_people_write(random: Random, text: str) -> str:
    """Nothing here changes what is asked."""
    if random.random() < 0.08:
        text = random.choice(_BEFORE) + text
    if random.random() < 0.25:
        text = text[0].lower() + text[1:]
    if random.random() < 0.25:
        text = text.rstrip(".?! ")
    elif random.random() < 0.06:
        text += random.choice(_AFTER)
    return text
