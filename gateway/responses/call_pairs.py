"""Whether the calls of a conversation and what came of them fit together. Pure."""

from collections.abc import Sequence

from gateway.responses.items import CallItem, CallOutputItem, Item, ItemStatus
from protos.errors import InvalidRequestError


def check_calls(items: Sequence[Item]) -> None:
    """Each has one output, behind it. Raises InvalidRequestError about the input.

    An id may be used again when the call before has its output, as clients do that count anew in every turn.
    """
    open_calls: dict[str, str] = {}
    known: set[str] = set()
    for item in items:
        match item:
            case CallItem(status=ItemStatus.COMPLETED):
                if item.call_id in open_calls:
                    raise _wrong(
                        f"two function calls have the call_id {item.call_id!r}, and no output stands between "
                        f"them; each needs its own, or its output before the next call"
                    )
                known.add(item.call_id)
                open_calls[item.call_id] = item.name
            case CallOutputItem():
                if item.call_id not in known:
                    raise _wrong(
                        f"the output of the call {item.call_id!r} has no function call before it; send that "
                        f"too, or the previous_response_id of the response that made it"
                    )
                if open_calls.pop(item.call_id, None) is None:
                    raise _wrong(f"the call {item.call_id!r} has two outputs; send one for each call")
    for call_id, name in open_calls.items():
        raise _wrong(
            f"the call {call_id!r} of the function {name!r} has no output; send a function_call_output item "
            f"with its call_id behind it"
        )


def _wrong(what: str) -> InvalidRequestError:
    return InvalidRequestError(what).about("input")
