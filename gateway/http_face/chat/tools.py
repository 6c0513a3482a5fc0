"""Tools as OpenAI's clients declare and choose them, and what they are to a chat."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from gateway.chat.chat_request import ToolChoice, ToolUse
from gateway.harmony.settings import FunctionTool
from gateway.http_face.body_check import TAG
from gateway.http_face.body_model import BodyModel
from gateway.http_face.generation_body import string_or_list

MAX_TOOLS = 512


class FunctionDeclaration(BodyModel):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    description: Annotated[str | None, Field(max_length=1 << 20)] = None
    parameters: Annotated[dict[str, Any] | None, Field(description="a JSON schema")] = None
    strict: Annotated[bool | None, Field(description="calls are held to the schemas of all tools")] = None


class Tool(BodyModel):
    type: Literal["function"]
    function: FunctionDeclaration


class NamedFunction(BodyModel):
    name: Annotated[str, Field(min_length=1, max_length=256)]


class NamedToolChoice(BodyModel):
    type: Literal["function"]
    function: NamedFunction


Choice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag(f"{TAG}string")]
    | Annotated[NamedToolChoice, Tag(f"{TAG}list")],
    Discriminator(string_or_list),
]


def functions_of(tools: Sequence[Tool]) -> tuple[FunctionTool, ...]:
    return tuple(
        FunctionTool(function.name, function.description or "", function.parameters, bool(function.strict))
        for function in (tool.function for tool in tools)
    )


def tool_choice_of(choice: str | NamedToolChoice | None) -> ToolChoice:
    match choice:
        case NamedToolChoice():
            return ToolChoice(ToolUse.REQUIRED, choice.function.name)
        case None:
            return ToolChoice()
        case _:
            return ToolChoice(ToolUse[choice.upper()])
