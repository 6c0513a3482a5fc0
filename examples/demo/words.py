"""The words that tasks draw from (`words.txt`).

Made up names come beside them, so that copying is learned and not the words.
"""

from collections.abc import Mapping
from pathlib import Path
from random import Random


def _read(path: Path) -> Mapping[str, tuple[str, ...]]:
    """A line is a kind and words; a kind may have several lines."""
    kinds: dict[str, tuple[str, ...]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, words = line.split(":")
        kinds[kind] = (*kinds.get(kind, ()), *words.split())
    return kinds


_WORDS = _read(Path(__file__).with_suffix(".txt"))
_TOPICS = ("fruit", "animals", "weapons", "sports", "drinks", "vehicles", "instruments", "money")
_LISTED = ("fruit", "animals", "drinks", "vehicles", "instruments")

TOPICS: Mapping[str, tuple[str, ...]] = {topic: _WORDS[topic] for topic in _TOPICS}
LISTED = tuple(word for topic in _LISTED for word in TOPICS[topic])
THINGS, PLACES, CITIES, NAMES = (_WORDS[kind] for kind in ("things", "places", "cities", "names"))


def made_up(random: Random) -> str:
    """A word that nobody has seen."""
    return "".join(random.choice(_WORDS["syllables"]) for _ in range(random.randint(2, 3))).capitalize()


def city(random: Random) -> str:
    return made_up(random) if random.random() < 0.5 else random.choice(CITIES)


def person(random: Random) -> str:
    return made_up(random) if random.random() < 0.4 else random.choice(NAMES)
