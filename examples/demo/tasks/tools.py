"""Calls of declared tools: the right one, with arguments from the question; then an answer from its
result."""

import json
from dataclasses import replace
from random import Random

from examples.demo.example import Example, Reasoning, any_effort
from examples.demo.phrasing import as_people_write, one_of
from examples.demo.split import Split, draw
from examples.demo.tasks.tool_kinds import NOUNS, TASK, Task, any_task
from gateway.chat.chat_request import ChatRequest
from gateway.chat.turns import AssistantTurn, InstructionTurn, ToolCall, ToolTurn, Turn, UserTurn
from gateway.harmony.conversation import Message
from gateway.harmony.settings import FunctionTool

_OWN = frozenset({"add"})  # what the model does itself where no tool does it
_CALL_ID = "call_1"
_FAILURES = ("not found", "no connection", "not allowed", "timeout")


def make(random: Random, split: Split) -> Example:
    """The call, or what follows its result."""
    wanted = draw(random, split, any_task, lambda each: f"tool {each.subject}")
    tools = _declared(random, wanted)
    question = as_people_write(random, wanted.question)
    turns: tuple[Turn, ...] = (UserTurn(question),)
    if random.random() < 0.3:
        turns = (InstructionTurn(one_of(random, TASK, "instructions")), *turns)
    effort = any_effort(random)
    thought = _before_call(wanted).at(effort)
    if random.random() < 0.55:
        reply = (Message.reasoning(thought), Message.call(wanted.tool.name, wanted.arguments_text))
        return Example(TASK, "call", ChatRequest(turns, tools, effort=effort), reply)
    call = ToolCall(_CALL_ID, wanted.tool.name, wanted.arguments_text)
    shown = thought if random.random() < 0.7 else ""  # some clients do not send reasoning back
    output, found = _output(random, wanted)
    turns = (*turns, AssistantTurn(shown, tool_calls=(call,)), ToolTurn(_CALL_ID, output))
    after = Reasoning(
        "Answer.", f"The tool says {found}.", f"The tool says {found}. I asked for it, so I answer with it."
    )
    reply = (Message.reasoning(after.at(effort)), Message.final(f"{wanted.subject}: {found}."))
    return Example(TASK, "answer", ChatRequest(turns, tools, effort=effort), reply)


def with_other_tools(random: Random, example: Example) -> Example:
    """The same conversation, with tools declared that are of no use in it."""
    tools = _named_once([any_task(random).tool for _ in range(random.randint(1, 2))])
    kept = tuple(tool for tool in tools if _noun(tool.name) not in _OWN)
    return replace(example, request=replace(example.request, tools=kept))


def with_instructions(random: Random, example: Example) -> Example:
    turns = (InstructionTurn(one_of(random, TASK, "instructions")), *example.request.turns)
    return replace(example, request=replace(example.request, turns=turns))


def _declared(random: Random, wanted: Task) -> tuple[FunctionTool, ...]:
    """The tool among none to two others of different nouns."""
    others = [any_task(random).tool for _ in range(random.choice((0, 0, 1, 1, 2)))]
    noun = _noun(wanted.tool.name)
    tools = [wanted.tool, *(tool for tool in others if _noun(tool.name) != noun)]
    random.shuffle(tools)
    return _named_once(tools)


def _noun(name: str) -> str:
    """What a tool is for, however it is spelt."""
    return next(noun for noun in NOUNS if noun in name.lower())


def _named_once(tools: list[FunctionTool]) -> tuple[FunctionTool, ...]:
    return tuple({tool.name: tool for tool in tools}.values())


def _before_call(wanted: Task) -> Reasoning:
    names = ", ".join(wanted.arguments)
    values = ", ".join(map(str, wanted.arguments.values()))
    steps = f"I call {wanted.tool.name} with {values}."
    return Reasoning("Call.", steps, f"I need a tool. {wanted.tool.name} takes {names}. {steps}")


def _output(random: Random, wanted: Task) -> tuple[str, str]:
    """What the tool answers, and how that is told."""
    result = dict(wanted.result)
    kind = random.random()
    if kind < 0.08:
        failure = random.choice(_FAILURES)
        return _json(random, {"error": failure}), f"error {failure}"
    if kind < 0.4 and len(result) == 1:
        (value,) = result.values()
        return str(value), str(value)
    if kind < 0.3:
        text = ", ".join(map(str, result.values()))
        return text, text
    if random.random() < 0.3:
        result = {random.choice(("value", "result", "answer", "found")): next(iter(result.values()))}
    return _json(random, result), ", ".join(f"{name} {value}" for name, value in result.items())


def _json(random: Random, value: object) -> str:
    return json.dumps(value, separators=random.choice(((", ", ": "), (",", ":"))))
