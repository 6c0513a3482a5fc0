import pytest

from gateway.chat.turns import AssistantTurn, InstructionTurn, ToolCall, ToolTurn, UserTurn
from gateway.responses.item_turns import turns_of
from gateway.responses.items import (
    CallItem,
    CallOutputItem,
    Item,
    ItemStatus,
    MessageItem,
    Phase,
    ReasoningItem,
    Speaker,
)
from tests.gateway.responses.response_cases import user


def said(text: str, phase: Phase | None = None) -> MessageItem:
    return MessageItem("msg", Speaker.ASSISTANT, (text,), phase)


def call(call_id: str, status: ItemStatus = ItemStatus.COMPLETED) -> CallItem:
    return CallItem("fc", call_id, "look", '{"at":"sea"}', status)


def test_instructions_come_first_and_parts_are_joined() -> None:
    items = [
        MessageItem("m", Speaker.SYSTEM, ("Be brief.",)),
        MessageItem("m", Speaker.DEVELOPER, ("Be ", "kind.")),
        MessageItem("m", Speaker.USER, ("Is the ", "sea blue?")),
    ]
    assert turns_of("Answer.", items) == (
        InstructionTurn("Answer."),
        InstructionTurn("Be brief."),
        InstructionTurn("Be kind."),
        UserTurn("Is the sea blue?"),
    )
    assert turns_of(None, items[2:]) == (UserTurn("Is the sea blue?"),)


def test_a_tool_loop_is_one_turn_of_the_assistant_per_round() -> None:
    items: list[Item] = [
        user("m", "Is the sea blue?"),
        ReasoningItem("r", "I look."),
        said("Looking."),
        call("a"),
        call("b"),
        CallOutputItem("o", "a", "blue"),
        CallOutputItem("o", "b", "green"),
        ReasoningItem("r", "So:"),
        said("Both."),
        user("m", "Sure?"),
    ]
    called = ToolCall("a", "look", '{"at":"sea"}'), ToolCall("b", "look", '{"at":"sea"}')
    assert turns_of(None, items) == (
        UserTurn("Is the sea blue?"),
        AssistantTurn("I look.", "Looking.", called),
        ToolTurn("a", "blue"),
        ToolTurn("b", "green"),
        AssistantTurn("So:", "Both."),
        UserTurn("Sure?"),
    )


def test_what_the_assistant_said_twice_stays_two_turns() -> None:
    items: list[Item] = [
        said("One.", Phase.FINAL_ANSWER),
        said("Two.", Phase.FINAL_ANSWER),
        ReasoningItem("r", "Hm."),
        ReasoningItem("r", "Well."),
        call("a"),
    ]
    assert turns_of(None, items) == (
        AssistantTurn(content="One."),
        AssistantTurn(content="Two."),
        AssistantTurn("Hm.\nWell.", "", (ToolCall("a", "look", '{"at":"sea"}'),)),
    )


@pytest.mark.parametrize("phase", [Phase.COMMENTARY, None])
def test_reasoning_after_a_preamble_stays_after_it(phase: Phase | None) -> None:
    items: list[Item] = [
        ReasoningItem("r", "I look."),
        said("Looking.", phase),
        said("Really.", phase),
        ReasoningItem("r", "At the sea."),
        call("a"),
        CallOutputItem("o", "a", "blue"),
        said("Blue."),
    ]
    assert turns_of(None, items) == (
        AssistantTurn("I look.", "Looking.", is_preamble=True),
        AssistantTurn("", "Really.", is_preamble=True),
        AssistantTurn("At the sea.", "", (ToolCall("a", "look", '{"at":"sea"}'),)),
        ToolTurn("a", "blue"),
        AssistantTurn(content="Blue."),
    )


def test_a_preamble_whose_call_never_came_is_no_answer() -> None:
    assert turns_of(None, [said("Looking.", Phase.COMMENTARY), user("m", "Well?")]) == (
        AssistantTurn(content="Looking.", is_preamble=True),
        UserTurn("Well?"),
    )


def test_a_call_that_was_cut_is_left_out() -> None:
    assert turns_of(None, [user("m", "?"), call("a", ItemStatus.INCOMPLETE)]) == (UserTurn("?"),)
