"""Tools that a client may declare, in many spellings, and the questions that need them.

Not here: conversations (`tools`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from examples.demo.phrasing import one_of
from examples.demo.words import city, made_up, person
from gateway.harmony.settings import FunctionTool

TASK = "tools"

_VERBS = ("get", "find", "fetch", "look_up", "show", "read", "query", "check")
_PRODUCTS = ("laptop", "chair", "lamp", "phone", "bicycle", "camera", "book", "table", "watch", "printer")
_SKIES = ("sunny", "cloudy", "rainy", "windy", "snowy", "foggy")
_SENT = ("hello", "see you soon", "I am late", "call me", "thank you")
_DONE = ("done", "ok", "booked", "sent", "2 hours", "confirmed")
_STATES = ("shipped", "paid", "open", "closed", "delivered", "cancelled")


@dataclass(frozen=True, slots=True)
class LookUp:
    """A tool with one argument, which may have any of these names. `subject` has its value as {x}."""

    noun: str
    parameters: tuple[str, ...]
    values: Callable[[Random], str | int]
    subject: str


def _product(random: Random) -> str:
    return random.choice(_PRODUCTS) if random.random() < 0.7 else made_up(random).lower()


def _number(random: Random) -> int:
    return random.randint(1, 999)


_PLACE, _PERSON = ("city", "location", "place", "town"), ("name", "person", "user")
LOOK_UPS = (
    LookUp("weather", _PLACE, city, "The weather in {x}"),
    LookUp("time", _PLACE, city, "The time in {x}"),
    LookUp("population", _PLACE, city, "The population of {x}"),
    LookUp("email", _PERSON, person, "The email of {x}"),
    LookUp("phone", _PERSON, person, "The phone number of {x}"),
    LookUp("birthday", _PERSON, person, "The birthday of {x}"),
    LookUp("price", ("product", "item", "name"), _product, "The price of the {x}"),
    LookUp("stock", ("product", "item"), _product, "The stock of the {x}"),
    LookUp("order", ("order_id", "id", "number"), _number, "The order {x}"),
    LookUp("balance", ("account_id", "account", "id"), _number, "The balance of account {x}"),
)
NOUNS = (*(each.noun for each in LOOK_UPS), "add", "multiply", "message", "table", "route")
"""What tools are for, however they are spelt."""


@dataclass(frozen=True, slots=True)
class Task:
    """A question, the tool for it, what it must be called with, and what the answer is about."""

    tool: FunctionTool
    question: str
    arguments: Mapping[str, object]
    subject: str
    result: Mapping[str, object]

    @property
    def arguments_text(self) -> str:
        return json.dumps(self.arguments, separators=(",", ":"))


def look_up(random: Random, kind: LookUp) -> Task:
    name = random.choice(kind.parameters)
    value = kind.values(random)
    verb = random.choice(("Get", "Find", "Look up", "Returns"))
    tool = FunctionTool(
        _name(random, kind.noun),
        _description(random, f"{verb} the {kind.noun}."),
        _schema(random, {name: "integer" if isinstance(value, int) else "string"}),
    )
    question = one_of(random, TASK, kind.noun).format(x=value)
    return Task(tool, question, {name: value}, kind.subject.format(x=value), _found(random, kind.noun))


def calculation(random: Random) -> Task:
    """Of numbers that the model could not work out itself."""
    noun, sign = random.choice((("add", "+"), ("multiply", "*")))
    first, second = random.randint(2, 99), random.randint(2, 99)
    names = random.choice((("a", "b"), ("x", "y"), ("first", "second"), ("left", "right")))
    tool = FunctionTool(
        random.choice((noun, f"{noun}_numbers", f"calc_{noun}")),
        _description(random, f"{noun.capitalize()} two numbers."),
        _schema(random, dict.fromkeys(names, random.choice(("number", "integer")))),
    )
    value = first + second if sign == "+" else first * second
    question = one_of(random, TASK, noun).format(a=first, b=second)
    arguments = dict(zip(names, (first, second), strict=True))
    return Task(tool, question, arguments, f"{first} {sign} {second}", {"result": value})


def action(random: Random) -> Task:
    """Something is done, with two arguments."""
    return random.choice((_message, _table, _route))(random)


def _message(random: Random) -> Task:
    names = random.choice((("to", "text"), ("name", "message"), ("recipient", "text")))
    arguments = dict(zip(names, (person(random), random.choice(_SENT)), strict=True))
    return _action(random, "message", "send_message", "Send a message.", arguments, "The message to {a}")


def _table(random: Random) -> Task:
    names = random.choice((("city", "people"), ("place", "guests"), ("town", "seats")))
    arguments = dict(zip(names, (city(random), random.randint(1, 12)), strict=True))
    return _action(random, "table", "book_table", "Book a table.", arguments, "The table in {a}")


def _route(random: Random) -> Task:
    names = random.choice((("start", "end"), ("origin", "destination"), ("from_city", "to_city")))
    arguments = dict(zip(names, (city(random), city(random)), strict=True))
    return _action(random, "route", "find_route", "Find a route.", arguments, "The route from {a} to {b}")


def any_task(random: Random) -> Task:
    kind = random.random()
    if kind < 0.65:
        return look_up(random, random.choice(LOOK_UPS))
    return calculation(random) if kind < 0.8 else action(random)


def _action(
    random: Random, noun: str, name: str, description: str, arguments: Mapping[str, object], subject: str
) -> Task:
    types = {key: "integer" if isinstance(value, int) else "string" for key, value in arguments.items()}
    tool = FunctionTool(name, _description(random, description), _schema(random, types))
    words = dict(zip("ab", arguments.values(), strict=True))
    question = one_of(random, TASK, noun).format(**words)
    return Task(tool, question, arguments, subject.format(**words), {"status": random.choice(_DONE)})


def _name(random: Random, noun: str) -> str:
    return noun if random.random() < 0.15 else f"{random.choice(_VERBS)}_{noun}"


def _description(random: Random, text: str) -> str:
    return text if random.random() < 0.7 else ""


def _schema(random: Random, types: Mapping[str, str]) -> Mapping[str, object]:
    properties: dict[str, object] = {}
    for name, kind in types.items():
        properties[name] = {"type": kind}
        if random.random() < 0.25:
            properties[name] = {"type": kind, "description": f"The {name.replace('_', ' ')}."}
    if random.random() < 0.15:
        properties["unit"] = {"type": "string", "enum": ["celsius", "fahrenheit"]}
    schema: dict[str, object] = {"type": "object", "properties": properties}
    return schema | {"required": list(types)} if random.random() < 0.85 else schema


def _found(random: Random, noun: str) -> Mapping[str, object]:
    match noun:
        case "weather":
            return {"temperature": random.randint(-9, 38), "sky": random.choice(_SKIES)}
        case "time":
            return {"time": f"{random.randint(0, 23):02}:{random.randint(0, 59):02}"}
        case "population" | "stock" | "balance":
            return {random.choice((noun, "amount", "number")): random.randint(0, 999)}
        case "email":
            return {"email": f"{made_up(random).lower()}@example.com"}
        case "phone":
            return {"phone": f"{random.randint(100, 999)}-{random.randint(1000, 9999)}"}
        case "birthday":
            return {
                "date": f"{random.randint(1950, 2009)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
            }
        case "price":
            return {"price": random.randint(1, 999), "currency": random.choice(("EUR", "USD", "GBP"))}
        case _:
            return {"status": random.choice(_STATES)}
