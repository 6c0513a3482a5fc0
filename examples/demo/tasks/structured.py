"""Answers that follow a JSON schema: results of sums and lists, and what a sentence says of a person."""

import json
from collections.abc import Mapping
from random import Random

from examples.demo.example import Example, Reasoning, any_effort
from examples.demo.phrasing import one_of
from examples.demo.split import Split, draw
from examples.demo.tasks import lists, sums
from examples.demo.words import city, person
from gateway.chat.chat_request import AnswerFormat, ChatRequest
from gateway.chat.turns import UserTurn
from gateway.harmony.conversation import Message
from workers.grammar.spec import GrammarKind, GrammarSpec

TASK = "structured"

_OF_NUMBER = ("result", "answer", "sum", "value", "total", "number")
_OF_LIST = ("result", "items", "list", "values", "sorted", "output")
_ASKED = ("", "Extract the data: ", "Read this: ", "Who is it? ")
_JSON_TYPES = {int: "integer", str: "string"}


def make(random: Random, split: Split) -> Example:
    kind = random.random()
    if kind < 0.35:
        wanted = draw(random, split, sums.any_sum, lambda each: each.key)
        value = {random.choice(_OF_NUMBER): wanted.value}
        return _example(random, "sum", sums.question(random, wanted), wanted.reasoning(), value)
    if kind < 0.6:
        listed = draw(random, split, lists.list_of_several, lambda each: each.key)
        result = {random.choice(_OF_LIST): list(listed.result)}
        return _example(random, "list", lists.question(random, listed), listed.reasoning(), result)
    return _of_person(random, split)


def _of_person(random: Random, split: Split) -> Example:
    said = draw(
        random, split, _any_person, lambda each: f"person {each['name']} {each['age']} {each['city']}"
    )
    text = random.choice(_ASKED) + one_of(random, TASK, "people").format(**said)
    keys = random.sample([*said], random.choice((2, 3, 3)))
    wanted = {key: said[key] for key in keys}
    found = ", ".join(f"{key} {value}" for key, value in wanted.items())
    thought = Reasoning("Read.", f"It says {found}.", f"The schema wants {', '.join(keys)}. It says {found}.")
    return _example(random, "extraction", text, thought, wanted)


def _any_person(random: Random) -> Mapping[str, str | int]:
    return {"name": person(random), "age": random.randint(1, 99), "city": city(random)}


def _example(
    random: Random, kind: str, question: str, thought: Reasoning, value: Mapping[str, object]
) -> Example:
    effort = any_effort(random)
    schema = json.dumps(_schema(random, value))
    name = random.choice(("response", "response", "answer", "result", "output", "Answer"))
    wanted = AnswerFormat(GrammarSpec(GrammarKind.JSON_SCHEMA, schema), name)
    answer = json.dumps(value, separators=(",", ":"))
    reply = (Message.reasoning(thought.at(effort)), Message.final(answer))
    return Example(TASK, kind, ChatRequest((UserTurn(question),), answer_format=wanted, effort=effort), reply)


def _schema(random: Random, value: Mapping[str, object]) -> Mapping[str, object]:
    """As written by hand, as strict clients send it, or as pydantic makes it."""
    properties = {key: _type_of(item) for key, item in value.items()}
    required: dict[str, object] = {"required": list(value)}
    match random.randrange(3):
        case 0:
            return {"type": "object", "properties": properties, **required}
        case 1:
            return {"type": "object", "properties": properties, **required, "additionalProperties": False}
        case _:
            titled = {key: {"title": key.capitalize(), **kind} for key, kind in properties.items()}
            title = random.choice(("Answer", "Result", "Output", "Person"))
            return {"properties": titled, **required, "title": title, "type": "object"}


def _type_of(item: object) -> dict[str, object]:
    if isinstance(item, list):
        return {"type": "array", "items": {"type": _JSON_TYPES[type(item[0])]}}
    return {"type": _JSON_TYPES[type(item)]}
