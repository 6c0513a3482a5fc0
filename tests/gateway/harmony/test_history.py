import pytest

from gateway.harmony.conversation import Message, Role
from gateway.harmony.history import EarlierReasoning, shown_messages

DROPPED, ALIKE, KEPT = EarlierReasoning.DROPPED, EarlierReasoning.AS_OPENAI_HARMONY, EarlierReasoning.KEPT


def message(name: str) -> Message:
    """u: of the user, a: reasoning, p: preamble, f: final, c: call, r: its result; a number follows."""
    match name[0]:
        case "u":
            return Message.of(Role.USER, name)
        case "a":
            return Message.reasoning(name)
        case "p":
            return Message.preamble(name)
        case "f":
            return Message.final(name)
        case "c":
            return Message.call("g", name)
        case "r":
            return Message.result("g", name)
    raise AssertionError(name)


@pytest.mark.parametrize(
    ("history", "rule", "left"),
    [
        ("u1 a1 f1 u2", DROPPED, "u1 f1 u2"),
        ("u1 a1 f1 u2 a2 f2 u3", DROPPED, "u1 f1 u2 f2 u3"),
        ("u1 a1 f1 u2 a2 f2 u3", ALIKE, "u1 f1 u2 a2 f2 u3"),
        ("u1 a1 c1 r1 a2 p2 c2 r2", DROPPED, "u1 a1 c1 r1 a2 p2 c2 r2"),
        ("u1 a1 c1 r1 a2 f1 u2", DROPPED, "u1 c1 r1 f1 u2"),
        ("u1 a1 f1 u2 a2 c2 r2", DROPPED, "u1 f1 u2 a2 c2 r2"),
        ("u1 a1 f1 u2 a2 c2 r2", ALIKE, "u1 a1 f1 u2 a2 c2 r2"),
        ("u1 a1 p1 f1 u2", DROPPED, "u1 p1 f1 u2"),
        ("u1 a1 f1 u2", KEPT, "u1 a1 f1 u2"),
        ("u1 a1 f1 u2", ALIKE, "u1 f1 u2"),
        ("u1 a1", ALIKE, "u1 a1"),
        ("u1", ALIKE, "u1"),
        ("", DROPPED, ""),
    ],
)
def test_reasoning_of_ended_turns_is_dropped(history: str, rule: EarlierReasoning, left: str) -> None:
    messages = list(map(message, history.split()))
    assert [each.text for each in shown_messages(messages, rule)] == left.split()


def test_a_prompt_of_a_later_turn_begins_as_that_of_the_turn_before_went_on() -> None:
    """So that the cache finds it again, while tools are called too."""
    names = ["u1", "a1", "c1", "r1", "a2", "f1", "u2", "a3", "c2", "r2", "a4", "f2", "u3"]
    after_each_turn = [names.index(name) + 1 for name in ("u2", "r2", "u3")]
    second, loop, third = (
        [each.text for each in shown_messages(list(map(message, names[:end])), DROPPED)]
        for end in after_each_turn
    )
    assert loop[: len(second)] == second
    assert third[: len(second)] == second
