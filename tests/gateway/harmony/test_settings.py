import json

import pytest

from gateway.harmony.conversation import Message, Role
from gateway.harmony.nesting import MAX_DEPTH
from gateway.harmony.settings import DeveloperSettings, FunctionTool, ResponseFormat, SystemSettings
from protos.errors import InvalidRequestError


@pytest.mark.parametrize("name", ["", "a b", "f<|message|>", "é", "x" * 65, "to=f", "f\n"])
def test_a_name_that_could_end_a_header_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="a name has 1 to 64 characters"):
        FunctionTool(name)
    with pytest.raises(InvalidRequestError, match="the response format is named"):
        ResponseFormat(name, {})
    with pytest.raises(InvalidRequestError, match="the function is named"):
        Message.call(name, "{}")


def test_a_function_is_declared_once() -> None:
    with pytest.raises(InvalidRequestError, match="the function 'g' is declared twice"):
        DeveloperSettings(functions=(FunctionTool("f"), FunctionTool("g"), FunctionTool("g", "Again.")))


@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_json_that_nests_too_deep_is_refused(brackets: str) -> None:
    opening, closing = brackets[:-1], brackets[-1]

    def nested(depth: int) -> object:
        return json.loads(f"{opening * depth}1{closing * depth}")

    allowed = {"default": nested(MAX_DEPTH - 1)}
    assert FunctionTool("f", parameters=allowed).parameters == allowed
    with pytest.raises(InvalidRequestError, match=f"the function 'f' nests more than {MAX_DEPTH}"):
        FunctionTool("f", parameters={"default": nested(MAX_DEPTH)})
    with pytest.raises(InvalidRequestError, match=f"the response format 'r' nests more than {MAX_DEPTH}"):
        ResponseFormat("r", {"default": nested(MAX_DEPTH)})


def test_settings_stand_in_their_own_messages() -> None:
    with pytest.raises(InvalidRequestError, match="system message stand in a message of the role user"):
        Message.of(Role.USER, SystemSettings())
    with pytest.raises(InvalidRequestError, match="developer message stand in a message of the role system"):
        Message.of(Role.SYSTEM, SystemSettings(), DeveloperSettings())
    with pytest.raises(InvalidRequestError, match="a tool's message has no name"):
        Message.of(Role.TOOL, "4")


def test_messages_of_calls_and_results_address_each_other() -> None:
    call, result = Message.call("tides", "{}"), Message.result("tides", "04:10")
    assert (call.recipient, call.name, call.content_type) == ("functions.tides", None, "<|constrain|>json")
    assert (result.recipient, result.name, result.channel) == ("assistant", "functions.tides", "commentary")
    assert Message.of(Role.USER, "a", "b").text == "ab"
