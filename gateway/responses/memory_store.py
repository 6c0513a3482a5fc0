"""Responses kept in the memory of one gateway: for a time, up to a number and a size; the oldest go first.

Items that conversations share are kept, and counted, once. Pure but for the clock that it is given; nothing
waits, so nothing is locked.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.responses.items import Item
from gateway.responses.response_settings import ResponseSettings
from gateway.responses.response_store import StoredResponse, item_not_kept, response_not_kept
from gateway.responses.stored_size import item_bytes, response_bytes
from protos.errors import TooLargeError


@dataclass(frozen=True, slots=True)
class _Entry:
    stored: StoredResponse
    own_bytes: int
    leaves_at: float


@dataclass(slots=True)
class _Shared:
    item: Item
    num_bytes: int
    num_responses: int = 0


class MemoryStore:
    """A `ResponseStore`. `clock` may have any zero; it never goes back."""

    def __init__(self, settings: ResponseSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._entries: dict[str, _Entry] = {}  # oldest first, since all are kept equally long
        self._items: dict[str, _Shared] = {}
        self.num_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def put(self, stored: StoredResponse) -> None:
        self._drop_old()
        own_bytes = response_bytes(stored.response, len(stored.items))
        whole = own_bytes + sum(map(item_bytes, stored.items))
        if whole > self._settings.max_bytes:
            raise TooLargeError(
                f"the response {stored.response.response_id} takes {whole} bytes with its conversation, and "
                f"all that are kept may take {self._settings.max_bytes}; it is not kept"
            )
        entry = _Entry(stored, own_bytes, self._clock() + self._settings.keep_s)
        self._entries[stored.response.response_id] = entry
        self._hold(entry)
        while len(self._entries) > self._settings.max_responses or self.num_bytes > self._settings.max_bytes:
            self._drop(next(iter(self._entries)))

    async def get(self, response_id: str) -> StoredResponse:
        self._drop_old()
        entry = self._entries.get(response_id)
        if entry is None:
            raise response_not_kept(response_id)
        return entry.stored

    async def delete(self, response_id: str) -> None:
        self._drop_old()
        if response_id not in self._entries:
            raise response_not_kept(response_id)
        self._drop(response_id)

    async def item(self, item_id: str) -> Item:
        self._drop_old()
        shared = self._items.get(item_id)
        if shared is None:
            raise item_not_kept(item_id)
        return shared.item

    def _drop_old(self) -> None:
        now = self._clock()
        while self._entries:
            oldest = next(iter(self._entries))
            if self._entries[oldest].leaves_at > now:
                return
            self._drop(oldest)

    def _hold(self, entry: _Entry) -> None:
        self.num_bytes += entry.own_bytes
        for item in entry.stored.items:
            shared = self._items.get(item.item_id)
            if shared is None:
                shared = self._items[item.item_id] = _Shared(item, item_bytes(item))
                self.num_bytes += shared.num_bytes
            shared.num_responses += 1

    def _drop(self, response_id: str) -> None:
        entry = self._entries.pop(response_id)
        self.num_bytes -= entry.own_bytes
        for item in entry.stored.items:
            shared = self._items[item.item_id]
            shared.num_responses -= 1
            if not shared.num_responses:
                del self._items[item.item_id]
                self.num_bytes -= shared.num_bytes
