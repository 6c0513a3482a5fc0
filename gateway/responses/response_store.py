"""Where responses are kept once they have ended: the seam for memory, or a database that gateways share.

Not here: responses that are still being written (`responses`).
"""

from dataclasses import dataclass
from typing import Protocol

from gateway.responses.items import Item
from gateway.responses.response import Response
from protos.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """`context` is all that the model was given as items, oldest first: what came before, and the input."""

    response: Response
    context: tuple[Item, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        """The whole conversation, for a response that goes on from this one."""
        return self.context + self.response.output


class ResponseStore(Protocol):
    """Each response holds its whole conversation, so that it does not depend on others that may go first."""

    async def put(self, stored: StoredResponse) -> None:
        """Raises TooLargeError for one that could never be kept."""
        ...

    async def get(self, response_id: str) -> StoredResponse:
        """Raises NotFoundError."""
        ...

    async def delete(self, response_id: str) -> None:
        """Raises NotFoundError."""
        ...

    async def item(self, item_id: str) -> Item:
        """Of any response that is kept. Raises NotFoundError."""
        ...


def response_not_kept(response_id: str) -> NotFoundError:
    return NotFoundError(
        f"there is no response {response_id!r} here: it was deleted, it was made with store=false, it is too "
        f"old and has made room for others, or another gateway has it"
    ).about("response_id")


def item_not_kept(item_id: str) -> NotFoundError:
    return NotFoundError(
        f"there is no item {item_id!r} here: no response that is kept holds it; send the item itself"
    ).about("input")
