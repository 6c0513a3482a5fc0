"""When an answer is right: only if the whole of it is what was expected."""

import json

from examples.demo.example import Example
from gateway.chat.chat_result import ChatChoice
from gateway.harmony.settings import Channel


def is_as_expected(example: Example, choice: ChatChoice) -> bool:
    """The same call and nothing else, the same JSON value, or the same text."""
    expected = example.reply[-1]
    if expected.channel == Channel.COMMENTARY:
        calls = [(call.name, _value(call.arguments)) for call in choice.tool_calls]
        name = (expected.recipient or "").removeprefix("functions.")
        return calls == [(name, _value(expected.text))] and not choice.content
    if choice.tool_calls:
        return False
    if example.request.answer_format is not None:
        return _value(choice.content) == _value(expected.text)
    return choice.content == expected.text


def _value(text: str) -> object:
    """Of JSON; what is none is itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
