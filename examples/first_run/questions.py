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


def _weather(arguments: Json) -> Json:
    """Of a day that was made up."""
    if arguments.get("city") != "Rome":
        return {"error": "not found"}
    return {"temperature": 21, "sky": "sunny"}


_GET_WEATHER = Tool(
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the weather.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    },
    _weather,
)

QUESTIONS = (
    Question("What is 17 + 25?"),
    Question("What happens if an expert worker dies?"),
    Question("What is the weather in Rome?", (_GET_WEATHER,)),
)
