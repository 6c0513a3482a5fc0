import pytest

from gateway.harmony.call_rule import CallRule
from gateway.harmony.callable_tool import callable_tools
from gateway.harmony.settings import BuiltInTool, FunctionTool
from protos.errors import InvalidRequestError

TOOLS = callable_tools([FunctionTool("f"), FunctionTool("g")], frozenset(BuiltInTool))
ALL = ["functions.f", "functions.g", "browser.search", "browser.open", "browser.find", "python"]


@pytest.mark.parametrize(
    ("rule", "recipients"),
    [
        (CallRule.none(), []),
        (CallRule.auto(), ALL),
        (CallRule.required(), ALL),
        (CallRule.named("functions.g"), ["functions.g"]),
        (CallRule.named("python"), ["python"]),
    ],
)
def test_a_rule_says_who_may_be_called(rule: CallRule, recipients: list[str]) -> None:
    assert [tool.recipient for tool in rule.allowed(TOOLS)] == recipients


def test_without_tools_nobody_need_be_called_unless_one_must() -> None:
    assert CallRule.auto().allowed([]) == []
    with pytest.raises(InvalidRequestError, match="a tool is required, and the request declares no tool"):
        CallRule.required().allowed([])
    with pytest.raises(
        InvalidRequestError, match=r"'functions.h' is to be called, .* declares functions.f, "
    ):
        CallRule.named("functions.h").allowed(TOOLS)
