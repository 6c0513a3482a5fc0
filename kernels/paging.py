"""Where keys and values live: fixed-size pages, found through a table per sequence.

A page table row starts at page number `first_page`: sliding layers give up the pages behind their window,
so entry i of a row holds positions (first_page + i) · page_size onwards.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class PageTable:
    """The pages of each sequence of a step."""

    pages: Tensor  # [sequences, most pages] int64; entries past a sequence's last page are never read
    first_page: Tensor  # [sequences] int64


@dataclass(frozen=True, slots=True)
class PagedKeysValues:
    """One layer's cache."""

    keys: Tensor  # [pages, page_size, kv_heads, head_dim]
    values: Tensor  # [pages, page_size, kv_heads, head_dim]

    @property
    def page_size(self) -> int:
        return self.keys.shape[1]


def write_keys_values(cache: PagedKeysValues, keys: Tensor, values: Tensor, slots: Tensor) -> None:
    """Store keys and values: [tokens, kv_heads, head_dim] at slots: [tokens] = page · page_size + offset."""
    cache.keys.flatten(0, 1).index_copy_(0, slots, keys)
    cache.values.flatten(0, 1).index_copy_(0, slots, values)


def read_positions(
    cache: PagedKeysValues, table: PageTable, sequence: int, start: int, stop: int
) -> PagedKeysValues:
    """Copies of one sequence's keys and values at positions start … stop − 1, as one long page."""
    first_page = int(table.first_page[sequence])
    page_size = cache.page_size
    first = start // page_size - first_page
    last = (stop - 1) // page_size - first_page
    assert first >= 0, f"position {start} lies behind the first page kept ({first_page})"
    pages = table.pages[sequence, first : last + 1]  # [pages read]
    offset = start - (first + first_page) * page_size
    chosen = slice(offset, offset + stop - start)
    return PagedKeysValues(
        keys=cache.keys[pages].flatten(0, 1)[None, chosen],  # [1, positions, kv_heads, head_dim]
        values=cache.values[pages].flatten(0, 1)[None, chosen],
    )
