"""Contents under short policies, asked as the gateway's classifier asks."""

from dataclasses import dataclass
from random import Random

from examples.demo.example import Example, Reasoning, any_effort
from examples.demo.phrasing import one_of
from examples.demo.split import Split, draw
from examples.demo.words import NAMES, PLACES, TOPICS
from gateway.chat.chat_request import ChatRequest
from gateway.classify.judged_turns import judged_turns
from gateway.harmony.conversation import Message

TASK = "classification"

_LABELS = (
    ("violation", "safe"), ("blocked", "allowed"), ("yes", "no"), ("reject", "accept"), ("unsafe", "safe"),
    ("spam", "ok"), ("flagged", "clean"), ("bad", "good"), ("block", "pass"), ("not allowed", "allowed"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Content:
    """A text and the words of topics in it."""

    text: str
    words: tuple[str, ...]


def make(random: Random, split: Split) -> Example:
    content = draw(random, split, _any_content, lambda each: f"content {each.text}")
    bad, good = random.choice(_LABELS)
    if random.random() < 0.7:
        topic = (
            _topic_of(random.choice(content.words))
            if content.words and random.random() < 0.5
            else _any_topic(random)
        )
        policy = one_of(random, TASK, "topic policies").format(topic=topic, bad=bad, good=good)
        found = [word for word in content.words if word in TOPICS[topic]]
        about, kind = topic, "topic"
    else:
        words = _forbidden(random, content)
        policy = one_of(random, TASK, "word policies").format(words=", ".join(words), bad=bad, good=good)
        found = [word for word in content.words if word in words]
        about, kind = "certain words", "words"
    label = bad if found else good
    named = ", ".join(found) or "nothing"
    steps = f"The policy is about {about}. Found: {named}. So {label}."
    low = f"Found: {named}."
    said = ", ".join(content.words) or "nothing special"
    thought = Reasoning(
        low, steps, f"The policy is about {about}. The text mentions {said}. Found: {named}. So {label}."
    )
    labels = (bad, good) if random.random() < 0.5 else (good, bad)
    effort = any_effort(random)
    turns = judged_turns(policy, labels, content.text)
    reply = (Message.reasoning(thought.at(effort)), Message.final(label))
    return Example(TASK, kind, ChatRequest(turns, effort=effort), reply, policy, labels)


def _any_content(random: Random) -> Content:
    name, place = random.choice(NAMES), random.choice(PLACES)
    if random.random() < 0.15:
        return Content(one_of(random, TASK, "neutral").format(name=name, place=place), ())
    template = one_of(random, TASK, "texts")
    words = tuple(random.choice(TOPICS[_any_topic(random)]) for _ in range(2 if "{v}" in template else 1))
    text = template.format(name=name, place=place, w=words[0], v=words[-1])
    return Content(text, tuple(dict.fromkeys(words)))


def _any_topic(random: Random) -> str:
    return random.choice([*TOPICS])


def _topic_of(word: str) -> str:
    return next(topic for topic, words in TOPICS.items() if word in words)


def _forbidden(random: Random, content: Content) -> tuple[str, ...]:
    """Some words, in half of all cases with one of the content's."""
    words = [random.choice(TOPICS[_any_topic(random)]) for _ in range(random.randint(1, 4))]
    if content.words and random.random() < 0.6:
        words[random.randrange(len(words))] = random.choice(content.words)
    return tuple(dict.fromkeys(words))
