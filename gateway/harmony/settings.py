"""What the system message and the developer message of a conversation say, as plain values.

Not here: how they are written (`system_message`, `developer_message`). The gateway's faces build them from
what a client asks for.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.harmony.nesting import check_nesting
from protos.errors import InvalidRequestError

FUNCTIONS = "functions"
"""The namespace of the tools that a client declares."""

DEFAULT_IDENTITY = "You are ChatGPT, a large language model trained by OpenAI."
DEFAULT_KNOWLEDGE_CUTOFF = "2024-06"

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class ReasoningEffort(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Channel(StrEnum):
    ANALYSIS = "analysis"  # reasoning
    COMMENTARY = "commentary"  # calls of functions, and preambles to them
    FINAL = "final"  # the answer


class BuiltInTool(StrEnum):
    """Tools that the model was trained with; they are declared in the system message."""

    BROWSER = "browser"
    PYTHON = "python"


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """`parameters` is a JSON schema, as a client sends it; None for a function without parameters.

    `is_strict` asks that all of the schema is enforced, where arguments are; else what cannot be is passed
    over.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, object] | None = None
    is_strict: bool = False

    def __post_init__(self) -> None:
        check_name("function", self.name)
        check_nesting(f"the parameters of the function {self.name!r}", self.parameters)

    @property
    def recipient(self) -> str:
        """As whom a message addresses it."""
        return f"{FUNCTIONS}.{self.name}"


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The schema that an answer is asked to follow. It is a request; `envelope` makes it hold."""

    name: str
    schema: Mapping[str, object]
    description: str = ""

    def __post_init__(self) -> None:
        check_name("response format", self.name)
        check_nesting(f"the schema of the response format {self.name!r}", self.schema)


@dataclass(frozen=True, slots=True)
class SystemSettings:
    """None, or empty, leaves a line out. The date is written as it is given: YYYY-MM-DD."""

    identity: str | None = DEFAULT_IDENTITY
    knowledge_cutoff: str | None = DEFAULT_KNOWLEDGE_CUTOFF
    current_date: str | None = None
    effort: ReasoningEffort | None = ReasoningEffort.MEDIUM
    built_in_tools: frozenset[BuiltInTool] = frozenset()
    channels: tuple[str, ...] = tuple(Channel)
    channel_is_required: bool = True


@dataclass(frozen=True, slots=True)
class DeveloperSettings:
    """What other systems call the system prompt, the functions, and the forms of an answer."""

    instructions: str | None = None
    functions: tuple[FunctionTool, ...] = ()
    response_formats: tuple[ResponseFormat, ...] = ()

    def __post_init__(self) -> None:
        check_named_once(self.functions)


def check_named_once(functions: Iterable[FunctionTool]) -> None:
    """The model calls a function by its name alone."""
    counts = Counter(function.name for function in functions)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise InvalidRequestError(
            f"the function {twice[0]!r} is declared twice; give each its own name"
        ).about("tools")


def check_name(what: str, name: str) -> None:
    """Names stand in headers of messages, so nothing in them may end one."""
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(
            f"the {what} is named {name[:80]!r}; a name has 1 to 64 characters: "
            f"letters a to z, digits, '_', '.', '-'"
        )
