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
    answer: Callable[[Json], Json]

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


def _stock(arguments: Json) -> Json:
    """Of a shop that was made up, and sells one thing."""
    return {"stock": 12} if arguments.get("product") == "camera" else {"error": "not found"}


_GET_STOCK = Tool(
    {
        "type": "function",
        "function": {
            "name": "get_stock",
            "parameters": {
                "type": "object",
                "properties": {"product": {"type": "string"}},
                "required": ["product"],
            },
        },
    },
    _stock,
)

QUESTIONS = (
    Question("What is 26 + 28?"),
    Question("What happens if an expert worker dies?"),
    Question("Is the camera in stock?", (_GET_STOCK,)),
)
