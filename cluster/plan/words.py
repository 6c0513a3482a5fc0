"""Numbers in sentences. Not here: the sentences."""

_UNITS = ("B", "KB", "MB", "GB")


def counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def bytes_in_words(count: float) -> str:
    """In the largest unit of which it is one at least; 4.3 GB, and 24.1 MB of a small model."""
    number, unit = float(count), 0
    while abs(number) >= 1000 and unit + 1 < len(_UNITS):
        number, unit = number / 1000, unit + 1
    return f"{number:,.1f} {_UNITS[unit]}" if unit else f"{number:.0f} B"
