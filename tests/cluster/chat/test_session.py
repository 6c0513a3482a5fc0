"""A conversation at a terminal: what is sent, what /commands change, what is taken back when it fails."""

import io
import json
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from cluster.chat.chat_client import ChatClient, Place
from cluster.chat.conversation import Conversation
from cluster.chat.screen import Screen
from cluster.chat.session import Session
from tests.cluster.chat.scripted_gateway import PAUSE, ScriptedGateway, call, delta, finish
from tests.cluster.conftest import Serve

Line = str | type[BaseException]
ANSWER = [delta(reasoning="hm"), delta(content="Yes."), finish("stop")]
CALLS = [delta(reasoning="look"), call(0, "look", '{"at": 1}'), call(1, "see", "{}"), finish("tool_calls")]


def talk(gateway: ScriptedGateway, lines: Iterable[Line], **wishes: object) -> tuple[str, list[str]]:
    """-> what was shown, and the prompts. A line may be an exception that the terminal raises."""
    out, rest, prompts = io.StringIO(), list(lines), list[str]()

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        line = rest.pop(0) if rest else EOFError
        if isinstance(line, str):
            return line
        raise line

    conversation = Conversation("scripted", **wishes)  # type: ignore[arg-type]
    screen = Screen(out, is_plain=False, has_color=False)
    Session(ChatClient(Place.parse(gateway.url)), conversation, screen, ask).run()
    assert not rest, "it ended before the person did"
    return out.getvalue(), prompts


def sent(gateway: ScriptedGateway) -> list[list[object]]:
    """The messages of each request: who says what."""
    return [
        [(message["role"], message["content"]) for message in request["messages"]]  # type: ignore[attr-defined]
        for request in gateway.requests
    ]


def test_turns_add_up_without_the_reasoning(serve: Serve) -> None:
    gateway = serve(ANSWER)
    shown, _ = talk(gateway, ["Is it?", "  ", "Sure?", "/quit"])
    first = [("user", "Is it?")]
    assert sent(gateway) == [first, [*first, ("assistant", "Yes."), ("user", "Sure?")]]
    assert shown.count("(hm)\n\nYes.\n[") == 2


def test_a_line_may_go_on(serve: Serve) -> None:
    gateway = serve(ANSWER)
    _, prompts = talk(gateway, ["one\\", "two"])
    assert sent(gateway) == [[("user", "one\ntwo")]]
    assert prompts == ["> ", ". ", "> "]


def test_commands_change_what_is_asked(serve: Serve, tmp_path: Path) -> None:
    gateway = serve(ANSWER)
    file = tmp_path / "talk.json"
    lines = ["/system Be brief.", "/effort high", "one", f"/save {file}", "/clear", "/system", "two", "/help"]
    shown, _ = talk(gateway, lines)
    assert sent(gateway) == [[("system", "Be brief."), ("user", "one")], [("user", "two")]]
    assert [request["reasoning_effort"] for request in gateway.requests] == ["high", "high"]
    assert json.loads(file.read_text())["messages"][1] == {"role": "assistant", "content": "Yes."}
    assert "/effort low|medium|high" in shown


def test_what_is_no_command_is_said_and_not_asked(serve: Serve) -> None:
    gateway = serve(ANSWER)
    shown, _ = talk(gateway, ["/nope", "/effort hard", "/save", "/save /nowhere/file"])
    assert gateway.requests == []
    assert "there is no /nope" in shown
    assert "/effort is hard; it can be low, medium, high" in shown
    assert "/save needs the name of a file" in shown
    assert "/nowhere/file cannot be written: No such file or directory" in shown


def test_the_person_answers_for_tools(serve: Serve) -> None:
    tools = [{"type": "function", "function": {"name": "look"}}]
    gateway = serve(CALLS, ANSWER)
    shown, prompts = talk(gateway, ["What is there?", "a tree", "a bird"], tools=tools)
    assert prompts == ["> ", "look answers: ", "see answers: ", "> "]
    assert '-> look {"at": 1}\n-> see {}\n' in shown
    first, second = gateway.requests
    assert first["tools"] == second["tools"] == tools
    _, assistant, *results = second["messages"]  # type: ignore[misc]
    assert assistant["reasoning"] == "look"  # type: ignore[has-type]
    assert [each["id"] for each in assistant["tool_calls"]] == ["call-0", "call-1"]  # type: ignore[has-type]
    assert results == [  # type: ignore[has-type]
        {"role": "tool", "tool_call_id": "call-0", "content": "a tree"},
        {"role": "tool", "tool_call_id": "call-1", "content": "a bird"},
    ]


def test_a_turn_that_fails_is_taken_back(serve: Serve) -> None:
    gateway = serve((429, {"error": {"message": "full"}}), CALLS, ANSWER)
    shown, _ = talk(gateway, ["one", "two", KeyboardInterrupt, "three"])
    assert sent(gateway) == [[("user", "one")], [("user", "two")], [("user", "three")]]
    assert "full\n" in shown
    assert "(the turn is taken back)" in shown


def test_ctrl_c_at_the_prompt_does_not_end_it(serve: Serve) -> None:
    gateway = serve(ANSWER)
    shown, _ = talk(gateway, [KeyboardInterrupt, "one"])
    assert "(/quit or Ctrl-D ends)" in shown
    assert len(gateway.requests) == 1


def test_ctrl_c_cancels_the_answer_and_keeps_what_came(serve: Serve) -> None:
    gateway = serve([delta(content="It i"), PAUSE], [delta(reasoning="h"), PAUSE], ANSWER)
    interrupting = interrupt_when_it_pauses(gateway, 2)
    shown, _ = talk(gateway, ["one", "two", "three"])
    interrupting.join()
    partly = [("user", "one"), ("assistant", "It i")]
    assert sent(gateway) == [[("user", "one")], [*partly, ("user", "two")], [*partly, ("user", "three")]]
    assert shown.count("[cancelled · ") == 2


def interrupt_when_it_pauses(gateway: ScriptedGateway, times: int) -> threading.Thread:
    """The main thread is sent what Ctrl-C sends."""
    main = threading.main_thread()

    def interrupt() -> None:
        for _ in range(times):
            assert gateway.has_paused.wait(10.0)
            gateway.has_paused.clear()
            time.sleep(0.2)  # what was said before the pause is read by then
            assert main.ident is not None
            signal.pthread_kill(main.ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    return thread
