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
    outputs = iter(_outputs(turns))
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
                    yield Message.result(call.name, next(outputs))


def _of_assistant(turn: AssistantTurn) -> Iterator[Message]:
    if turn.reasoning:
        yield Message.reasoning(turn.reasoning)
    if turn.content and (turn.tool_calls or turn.is_preamble):
        yield Message.preamble(turn.content)
    elif turn.content:
        yield Message.final(turn.content)


def _outputs(turns: Sequence[Turn]) -> list[str]:
    """Of all calls, in their order. A result is that of the nearest call before it with its id: some clients
    count their ids anew in every turn.
    """
    outputs: list[str] = []
    waiting: dict[str, tuple[int, ToolCall]] = {}
    answered: set[str] = set()
    for turn in turns:
        match turn:
            case AssistantTurn():
                for call in turn.tool_calls:
                    if call.call_id in waiting:
                        raise _wrong(
                            f"two tool calls have the id {call.call_id!r}, and no result stands between "
                            f"them; each needs its own id, or its result before the next call"
                        )
                    waiting[call.call_id] = (len(outputs), call)
                    outputs.append("")
            case ToolTurn() if turn.call_id in waiting:
                index, _ = waiting.pop(turn.call_id)
                outputs[index] = turn.output
                answered.add(turn.call_id)
            case ToolTurn() if turn.call_id in answered:
                raise _wrong(f"the tool call {turn.call_id!r} has two results; send one for each call")
            case ToolTurn():
                raise _wrong(
                    f"a tool's result names the call {turn.call_id!r}, which no message before it makes"
                )
    for _, call in waiting.values():
        raise _wrong(
            f"the call {call.call_id!r} of the tool {call.name!r} has no result; send a message of the role "
            f"tool with its id behind it"
        )
    return outputs


def _wrong(what: str) -> InvalidRequestError:
    return InvalidRequestError(what).about("messages")
