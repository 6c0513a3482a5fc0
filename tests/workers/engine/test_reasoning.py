"""The meter over messages as a model writes them, token by token: each byte is one, each mark is one."""

import re

import pytest

from model.tokenizer.harmony_marks import CLOSING_OF_ANALYSIS, MARK_TO_NAME, HarmonyMarks
from workers.engine.reasoning import ReasoningMeter

NAME_TO_ID = {name: 256 + index for index, name in enumerate(MARK_TO_NAME.values())}


def tokens(text: str) -> list[int]:
    parts = re.split(r"(<\|\w+\|>)", text)
    return [
        token for part in parts for token in ([NAME_TO_ID[part]] if part in NAME_TO_ID else part.encode())
    ]


MARKS = HarmonyMarks(
    **{mark: NAME_TO_ID[name] for mark, name in MARK_TO_NAME.items()},
    closing_of_analysis=tuple(tokens(CLOSING_OF_ANALYSIS)),
)


def token_bytes(token_id: int) -> bytes:
    return bytes([token_id]) if token_id < 256 else b""


def meter(prompt: str, budget: int | None = None) -> ReasoningMeter:
    return ReasoningMeter(MARKS, token_bytes, budget, tokens(prompt))


def after(prompt: str, output: str) -> ReasoningMeter:
    found = meter(prompt)
    for token_id in tokens(output):
        found.push(token_id)
    return found


@pytest.mark.parametrize(
    ("prompt", "output", "num_tokens", "is_reasoning"),
    [
        ("<|start|>assistant", "<|channel|>analysis<|message|>abc", 3, True),
        ("<|start|>assistant", "<|channel|>analysis<|message|>abc<|end|>", 3, False),
        ("<|start|>assistant", "<|channel|>final<|message|>abc", 0, False),
        ("<|start|>assistant", "<|channel|>commentary<|message|>abc", 0, False),
        ("<|start|>assistant<|channel|>analysis<|message|>", "abc", 3, True),
        ("<|start|>assistant<|channel|>ana", "lysis<|message|>ab", 2, True),
        ("<|start|>assistant<|channel|>analysis<|message|>before", "ab", 2, True),
        ("<|start|>user<|message|>analysis<|end|><|start|>assistant", "<|message|>ab", 0, False),
        ("<|start|>assistant", "<|channel|>analysis to=python code<|message|>abc", 0, False),
        ("<|start|>assistant", " to=browser.find<|channel|>analysis<|message|>abc", 0, False),
        ("<|start|>assistant", "<|channel|>analysisx<|message|>abc", 0, False),
        (
            "<|start|>assistant",
            (
                "<|channel|>analysis<|message|>ab<|end|><|start|>assistant<|channel|>analysis<|message|>cde<|end|>"
                "<|start|>assistant<|channel|>final<|message|>fg<|return|>"
            ),
            5,
            False,
        ),
        ("", "no harmony at all", 0, False),
    ],
)
def test_what_counts_as_reasoning(prompt: str, output: str, num_tokens: int, is_reasoning: bool) -> None:
    found = after(prompt, output)
    assert (found.num_tokens, found.is_reasoning) == (num_tokens, is_reasoning)
    assert found.forced is None


def write(found: ReasoningMeter, model: str) -> list[int]:
    """What comes out when the model wants to write this, and the meter has its way."""
    wanted = iter(tokens(model))
    output: list[int] = []
    while True:
        token_id = found.forced
        if token_id is None:
            token_id = next(wanted, None)
        if token_id is None:
            return output
        found.push(token_id)
        output.append(token_id)


@pytest.mark.parametrize("budget", [0, 1, 4])
def test_the_budget_ends_the_analysis_and_opens_the_answer(budget: int) -> None:
    found = meter("<|start|>assistant<|channel|>analysis<|message|>", budget)
    assert found.num_free == budget
    reasoning = "abcdefgh"
    assert write(found, reasoning) == tokens(reasoning[:budget] + CLOSING_OF_ANALYSIS + reasoning[budget:])
    assert found.num_tokens == budget
    assert found.num_free == 3  # to reason again, the answer must first open another message


def test_a_budget_that_is_not_reached_forces_nothing() -> None:
    found = meter("<|start|>assistant<|channel|>analysis<|message|>", 4)
    text = "abc<|end|><|start|>assistant<|channel|>final<|message|>answer<|return|>"
    assert write(found, text) == tokens(text)


def test_the_budget_holds_over_several_messages() -> None:
    found = meter("<|start|>assistant", 3)
    head = "<|channel|>analysis<|message|>"
    second = f"<|end|><|start|>assistant{head}"
    assert write(found, f"{head}ab{second}cde") == tokens(f"{head}ab{second}c{CLOSING_OF_ANALYSIS}de")


def test_a_grammar_that_does_not_allow_the_end_yet_is_asked_again() -> None:
    found = meter("<|start|>assistant<|channel|>analysis<|message|>", 1)
    found.push(ord("a"))
    assert found.forced == MARKS.end
    found.push(ord("b"))
    assert found.forced == MARKS.end
    found.push(MARKS.end)
    assert found.forced == MARKS.start
    found.push(MARKS.call)
    assert found.forced is None


@pytest.mark.parametrize(
    ("output", "is_in_answer"),
    [
        ("<|channel|>final<|message|>ab", True),
        ("<|channel|>commentary<|message|>ab", True),
        ("no harmony at all", True),
        ("<|channel|>final", False),
        ("<|channel|>analysis<|message|>ab", False),
        ("<|channel|>commentary to=functions.f <|constrain|>json<|message|>{", False),
        ("<|start|>assistant to=functions.f<|channel|>commentary<|message|>{", False),
        ("<|channel|>commentary to=functions.f<|message|>{}<|end|>", True),
        (
            (
                "<|channel|>commentary to=functions.f<|message|>{}<|end|>"
                "<|start|>assistant<|channel|>final<|message|>a"
            ),
            True,
        ),
    ],
)
def test_the_answer_is_what_the_user_reads(output: str, is_in_answer: bool) -> None:
    assert after("", output).is_in_answer is is_in_answer


def test_arguments_that_are_written_leave_as_much_room_for_guesses_as_an_answer() -> None:
    found = meter("<|start|>assistant<|channel|>commentary to=functions.f<|message|>", 4)
    assert found.num_free == meter("<|start|>assistant<|channel|>final<|message|>", 4).num_free == 7
