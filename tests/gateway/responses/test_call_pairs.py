import pytest

from gateway.responses.call_pairs import check_calls
from gateway.responses.items import CallItem, CallOutputItem, Item
from protos.errors import InvalidRequestError

CALL = CallItem("fc", "a", "look", "{}")
OUTPUT = CallOutputItem("o", "a", "blue")


def test_an_id_may_be_used_again_behind_its_output() -> None:
    check_calls([CALL, OUTPUT, CALL, OUTPUT])


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([CALL, CALL, OUTPUT], "two function calls have the call_id 'a'"),
        ([CALL, OUTPUT, OUTPUT], "'a' has two outputs"),
        ([OUTPUT], "'a' has no function call before it"),
        ([CALL, OUTPUT, CALL], "'a' of the function 'look' has no output"),
    ],
)
def test_what_does_not_go_together_is_refused(items: list[Item], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as refused:
        check_calls(items)
    assert refused.value.field == "input"
