"""How an answer looks: styles, lines of their own, the cost, and nothing that a terminal would obey."""

import io

from cluster.chat.deltas import Content, Delta, Finished, Reasoning, Spent, ToolCallPart
from cluster.chat.screen import Screen


def shown(*deltas: Delta, is_plain: bool = False, has_color: bool = False, spent: Spent | None = None) -> str:
    out = io.StringIO()
    screen = Screen(out, is_plain=is_plain, has_color=has_color)
    screen.begin()
    for delta in deltas:
        screen.show(delta)
    screen.end(spent, 2.0, 0.5, is_cancelled=False)
    return out.getvalue()


def test_parts_have_lines_of_their_own() -> None:
    text = shown(
        Reasoning("hm, "),
        Reasoning("yes"),
        Content("It "),
        Content("is."),
        ToolCallPart(0, "id", "look"),
        ToolCallPart(0, arguments='{"a":1}'),
        ToolCallPart(1, "id", "see", "{}"),
    )
    assert text == '(hm, yes)\n\nIt is.\n-> look {"a":1}\n-> see {}\n[first 0.50 s, all 2.0 s]\n\n'


def test_reasoning_is_dimmed_and_the_answer_is_not() -> None:
    text = shown(Reasoning("hm"), Content("Yes."), has_color=True)
    assert text.startswith("\x1b[2mhm\x1b[0m\n\nYes.\n\x1b[2m[first")


def test_reasoning_that_cannot_be_dimmed_stands_in_brackets() -> None:
    assert shown(Reasoning("hm")) == "(hm)\n[first 0.50 s, all 2.0 s]\n\n"
    assert shown(Reasoning("hm"), Finished("length")).startswith("(hm)\n(cut off: ")
    text = shown(Reasoning("hm"), ToolCallPart(0, "id", "look"), Reasoning("so"), Content("Yes."))
    assert text.startswith("(hm)\n\n-> look \n(so)\n\nYes.\n")


def test_plain_is_the_answer_alone() -> None:
    deltas = (Reasoning("hm"), Content("Yes."), ToolCallPart(0, "id", "look"), Finished("length"))
    assert shown(*deltas, is_plain=True, has_color=True, spent=Spent(1, 0, 2, 0)) == "Yes.\n"
    assert shown(Content("Yes.\n"), is_plain=True) == "Yes.\n"


def test_the_cost_has_what_is_worth_saying() -> None:
    said = shown(Content("a"), spent=Spent(prompt=83, cached=64, output=52, reasoning=21))
    assert said.splitlines()[1] == (
        "[83 in (64 cached) · 52 out (21 reasoning) · first 0.50 s, all 2.0 s · 34 tokens/s]"
    )
    assert shown(Content("a"), spent=Spent(5, 0, 1, 0)).splitlines()[1] == (
        "[5 in · 1 out · first 0.50 s, all 2.0 s]"
    )


def test_an_answer_that_was_cut_says_so() -> None:
    assert "(cut off: no more tokens were allowed)\n" in shown(Content("a"), Finished("length"))
    assert "cut off" not in shown(Content("a"), Finished("stop"))


def test_a_terminal_is_given_no_orders() -> None:
    said = shown(Content("a\x1b]0;title\x07b\tc\r\u202e\u009bd\n"))
    assert said.startswith("a]0;titleb\tcd\n")


def test_what_is_said_aside_begins_on_a_line_of_its_own() -> None:
    both = io.StringIO()
    screen = Screen(both, is_plain=True, has_color=False, aside=both)
    screen.begin()
    for delta in (Content("Ye"), Finished("length")):
        screen.show(delta)
    screen.end(None, 1.0, 0.5, is_cancelled=False)
    assert both.getvalue().startswith("Ye\nexpertmesh: the answer is cut off")


def test_a_pipe_hears_aside_that_its_answer_was_cut() -> None:
    out, aside = io.StringIO(), io.StringIO()
    screen = Screen(out, is_plain=True, has_color=False, aside=aside)
    screen.begin()
    for delta in (Content("Ye"), Finished("length")):
        screen.show(delta)
    screen.end(None, 1.0, 0.5, is_cancelled=False)
    assert out.getvalue() == "Ye\n"
    assert aside.getvalue() == "expertmesh: the answer is cut off: no more tokens were allowed\n"
