"""What the demo model is asked: a sum, something of this project, and something for which it needs a tool.

Not here: asking (`interview`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cluster.chat.wire import Json


@dataclass(frozen=True, slots=True)
class Tool:
    """`declared` as the OpenAI API has it; `answer` takes the arguments."""

    declared: Json
    answer: Callable[[Json], object]

    @property
    def name(self) -> object:
        function = self.declared["function"]
        assert isinstance(function, Mapping)
        return function["name"]

    def call(self, arguments: str) -> str:
        """-> JSON; a model may write anything."""
        try:
            given = json.loads(arguments)
        except ValueError:
            given = None
        return json.dumps(self.answer(given) if isinstance(given, dict) else {"error": "no JSON object"})


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    tools: tuple[Tool, ...] = ()


def _sum(arguments: Json) -> object:
    """Of two whole numbers: what is too large for the model to work out itself."""
    a, b = arguments.get("a"), arguments.get("b")
    return a + b if isinstance(a, int) and isinstance(b, int) else {"error": "a and b must be integers"}


_ADD = Tool(
    {
        "type": "function",
        "function": {
            "name": "add",
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                "required": ["a", "b"],
            },
        },
    },
    _sum,
)

QUESTIONS = (
    Question("What is 26 + 28?"),
    Question("What happens if an expert worker dies?"),
    Question("What is 612 + 345?", (_ADD,)),
)
