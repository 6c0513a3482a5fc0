"""A long list of items, a page at a time. Pure."""

from collections.abc import Sequence

from gateway.http_face.responses.answer import Json
from gateway.http_face.responses.query import ResponseQuery
from protos.errors import NotFoundError

_PAGE = 20
LARGEST_PAGE = 100
_IS_DESCENDING = {"asc": False, "desc": True}


def page_json(items: Sequence[Json], query: ResponseQuery) -> Json:
    """`items` oldest first; the query says which and in which order: newest first, if it says nothing."""
    limit = query.whole_number("limit", 1, LARGEST_PAGE) or _PAGE
    ordered = list(reversed(items)) if query.one_of("order", _IS_DESCENDING, "desc") else list(items)
    first = _place_behind(ordered, query.text("after"))
    page = ordered[first : first + limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": first + len(page) < len(ordered),
    }


def _place_behind(ordered: Sequence[Json], item_id: str | None) -> int:
    if item_id is None:
        return 0
    for place, item in enumerate(ordered):
        if item["id"] == item_id:
            return place + 1
    raise NotFoundError(f"no item {item_id[:80]!r} is among those that the response was given").about("after")
