import pytest

from gateway.harmony.callable_tool import callable_tools
from gateway.harmony.settings import BuiltInTool, FunctionTool
from gateway.harmony.tool_choice import ToolChoice
from protos.errors import InvalidRequestError

TOOLS = callable_tools([FunctionTool("f"), FunctionTool("g")], frozenset(BuiltInTool))
ALL = ["functions.f", "functions.g", "browser.search", "browser.open", "browser.find", "python"]


@pytest.mark.parametrize(
    ("choice", "recipients"),
    [
        (ToolChoice.none(), []),
        (ToolChoice.auto(), ALL),
        (ToolChoice.required(), ALL),
        (ToolChoice.named("functions.g"), ["functions.g"]),
        (ToolChoice.named("python"), ["python"]),
    ],
)
def test_a_choice_says_who_may_be_called(choice: ToolChoice, recipients: list[str]) -> None:
    assert [tool.recipient for tool in choice.allowed(TOOLS)] == recipients


def test_without_tools_nobody_need_be_called_unless_one_must() -> None:
    assert ToolChoice.auto().allowed([]) == []
    with pytest.raises(InvalidRequestError, match="a tool is required, and the request declares no tool"):
        ToolChoice.required().allowed([])
    with pytest.raises(
        InvalidRequestError, match=r"'functions.h' is to be called, .* declares functions.f, "
    ):
        ToolChoice.named("functions.h").allowed(TOOLS)
