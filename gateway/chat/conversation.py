"""Turns into harmony's messages: what the model is told, in the order in which it would have seen it.

Harmony's model calls one tool at a time and waits for its answer, so calls that a client tells as parallel
are told one after the other, each with its result. Pure. Not here: tokens (`gateway.harmony.renderer`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import takewhile

from gateway.chat.chat_request import AnswerFormat, ChatRequest, ToolUse
from gateway.chat.turns import AssistantTurn, InstructionTurn, ToolCall, ToolTurn, Turn, UserTurn
from gateway.harmony.conversation import Message, Role
from gateway.harmony.settings import DeveloperSettings, ResponseFormat, SystemSettings
from protos.errors import InvalidRequestError
from workers.grammar.spec import GrammarKind


def messages_of(request: ChatRequest, today: date | None) -> list[Message]:
    """Raises InvalidRequestError for calls without results, and for results without calls."""
    current_date = None if today is None else today.isoformat()
    messages = [
        Message.of(Role.SYSTEM, SystemSettings(current_date=current_date, effort=request.effort)),
    ]
    instructions = [turn.text for turn in _leading_instructions(request.turns)]
    developer = DeveloperSettings(
        instructions="\n\n".join(instructions) or None,
        functions=() if request.tool_choice.use is ToolUse.NONE else request.tools,
        response_formats=_response_formats(request.answer_format),
    )
    if developer != DeveloperSettings():
        messages.append(Message.of(Role.DEVELOPER, developer))
    messages += _spoken(request.turns[len(instructions) :])
    return messages


def _leading_instructions(turns: Sequence[Turn]) -> Iterator[InstructionTurn]:
    for turn in takewhile(lambda turn: isinstance(turn, InstructionTurn), turns):
        assert isinstance(turn, InstructionTurn)
        yield turn


def _response_formats(answer: AnswerFormat | None) -> tuple[ResponseFormat, ...]:
    """A format that is no JSON schema is held by the grammar alone; harmony has no words for it."""
    if answer is None or answer.grammar.kind is not GrammarKind.JSON_SCHEMA:
        return ()
    schema = json.loads(answer.grammar.text)
    if not isinstance(schema, Mapping):
        raise InvalidRequestError(f"the schema of {answer.name!r} is not a JSON object").about("schema")
    return (ResponseFormat(answer.name, schema, answer.description or ""),)


def _spoken(turns: Sequence[Turn]) -> Iterator[Message]:
    results = _Results(turns)
    for turn in turns:
        match turn:
            case InstructionTurn():
                yield Message.of(Role.DEVELOPER, DeveloperSettings(instructions=turn.text))
            case UserTurn():
                yield Message.of(Role.USER, turn.text)
            case AssistantTurn():
                yield from _of_assistant(turn)
                for call in turn.tool_calls:
                    yield Message.call(call.name, call.arguments)
                    yield Message.result(call.name, results.take(call))
            case ToolTurn():
                results.check_called(turn)


def _of_assistant(turn: AssistantTurn) -> Iterator[Message]:
    if turn.reasoning:
        yield Message.reasoning(turn.reasoning)
    if turn.content and turn.tool_calls:
        yield Message.preamble(turn.content)
    elif turn.content:
        yield Message.final(turn.content)


class _Results:
    """What tools have answered, by the ids of their calls."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._id_to_output: dict[str, str] = {}
        self._taken: set[str] = set()
        for turn in turns:
            if isinstance(turn, ToolTurn):
                if turn.call_id in self._id_to_output:
                    raise InvalidRequestError(
                        f"the tool call {turn.call_id!r} has two results; send one for each call"
                    ).about("messages")
                self._id_to_output[turn.call_id] = turn.output

    def take(self, call: ToolCall) -> str:
        if call.call_id in self._taken:
            raise InvalidRequestError(
                f"two tool calls have the id {call.call_id!r}; each needs its own"
            ).about("messages")
        if call.call_id not in self._id_to_output:
            raise InvalidRequestError(
                f"the call {call.call_id!r} of the tool {call.name!r} has no result; send a message of the "
                f"role tool with its id behind it"
            ).about("messages")
        self._taken.add(call.call_id)
        return self._id_to_output[call.call_id]

    def check_called(self, turn: ToolTurn) -> None:
        if turn.call_id not in self._taken:
            raise InvalidRequestError(
                f"a tool's result names the call {turn.call_id!r}, which no message before it makes"
            ).about("messages")
