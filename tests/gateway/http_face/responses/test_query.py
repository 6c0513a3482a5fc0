import pytest

from gateway.http_face.endpoint import QueryParameter
from gateway.http_face.responses.pages import page_json
from gateway.http_face.responses.query import ResponseQuery
from protos.errors import InvalidRequestError, NotFoundError

KNOWN = [
    QueryParameter(name, {}, "")
    for name in ("stream", "starting_after", "include", "after", "limit", "order")
]
ITEMS: list[dict[str, object]] = [{"id": f"msg_{number}"} for number in range(25)]


def query(text: str) -> ResponseQuery:
    return ResponseQuery(text.encode(), KNOWN)


def read_all(text: str) -> None:
    asked = query(text)
    asked.truth("stream")
    asked.whole_number("starting_after", 0, 99)
    asked.one_of("order", {"asc": False, "desc": True}, "desc")


def test_what_a_query_says() -> None:
    asked = query("stream=true&starting_after=12&include[]=a&include[]=b&after=msg_%31")
    assert asked.truth("stream")
    assert asked.whole_number("starting_after", 0, 99) == 12
    assert asked.text("after") == "msg_1"
    assert not query("").truth("stream")
    assert query("").whole_number("limit", 1, 100) is None


@pytest.mark.parametrize(
    ("text", "about", "words"),
    [
        ("steam=true", "steam", "known here are after, include"),
        ("limit=3&limit=4", "limit", "twice"),
        ("stream=maybe", "stream", "must be true or false"),
        ("starting_after=-1", "starting_after", "from 0 to 99"),
        ("starting_after=%C2%B2", "starting_after", "whole number"),
        ("starting_after=100", "starting_after", "from 0 to 99"),
        ("starting_after=1e1", "starting_after", "whole number"),
        ("order=up", "order", "asc or desc"),
    ],
)
def test_what_it_may_not_say(text: str, about: str, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as caught:
        read_all(text)
    assert caught.value.field == about


def ids(page: dict[str, object]) -> list[str]:
    data = page["data"]
    assert isinstance(data, list)
    return [item["id"] for item in data]


def test_pages_hold_everything_once() -> None:
    for order, expected in (("asc", range(25)), ("desc", reversed(range(25)))):
        seen: list[str] = []
        after = ""
        for has_more in (True, True, False):
            page = page_json(ITEMS, query(f"limit=10&order={order}{after}"))
            assert page["has_more"] is has_more
            assert (page["first_id"], page["last_id"]) == (ids(page)[0], ids(page)[-1])
            seen += ids(page)
            after = f"&after={page['last_id']}"
        assert seen == [f"msg_{number}" for number in expected]


def test_twenty_of_the_newest_if_nothing_is_said() -> None:
    assert ids(page_json(ITEMS, query(""))) == [f"msg_{number}" for number in range(24, 4, -1)]
    empty = page_json([], query(""))
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_pages_that_cannot_be() -> None:
    with pytest.raises(NotFoundError, match="'msg_99'") as caught:
        page_json(ITEMS, query("after=msg_99"))
    assert caught.value.field == "after"
    with pytest.raises(InvalidRequestError, match="from 1 to 100"):
        page_json(ITEMS, query("limit=101"))
