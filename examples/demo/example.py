"""One conversation of a task: what the gateway is asked, and how the model shall answer.

Plain values. Not here: tokens (`rendering`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from examples.demo.split import Split
from gateway.chat.chat_request import ChatRequest
from gateway.chat.turns import Turn, UserTurn
from gateway.harmony.conversation import Message
from gateway.harmony.settings import ReasoningEffort

EFFORTS = tuple(ReasoningEffort)


@dataclass(frozen=True, slots=True)
class Example:
    """`reply` is a message of reasoning, then a final one or a call. `kind` is a part of the task.

    `policy` and `labels` are those of a classification, whose answer is one of the labels. `today` None: any
    date will do.
    """

    task: str
    kind: str
    request: ChatRequest
    reply: tuple[Message, ...]
    policy: str | None = None
    labels: tuple[str, ...] = ()
    today: date | None = None


Maker = Callable[[Random, Split], Example]


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What is thought at each effort: little, the steps, the steps and a check."""

    low: str
    medium: str
    high: str

    def at(self, effort: ReasoningEffort) -> str:
        match effort:
            case ReasoningEffort.LOW:
                return self.low
            case ReasoningEffort.MEDIUM:
                return self.medium
            case ReasoningEffort.HIGH:
                return self.high


def answered(
    task: str,
    kind: str,
    turns: tuple[Turn, ...] | str,
    reasoning: Reasoning,
    answer: str,
    effort: ReasoningEffort,
) -> Example:
    """A conversation that ends with this final answer."""
    asked = (UserTurn(turns),) if isinstance(turns, str) else turns
    reply = (Message.reasoning(reasoning.at(effort)), Message.final(answer))
    return Example(task, kind, ChatRequest(asked, effort=effort), reply)


def any_effort(random: Random) -> ReasoningEffort:
    return random.choice((*EFFORTS, ReasoningEffort.MEDIUM))  # the default, twice as often


def any_date(random: Random) -> date:
    return date(2024, 1, 1) + timedelta(days=random.randrange(4000))
