"""A part of a page between two marks that nobody sees, and that a tool writes."""

END = "<!-- here ends what is made -->"


class MissingPartError(Exception):
    """The page has no place for the part."""


def mark(name: str) -> str:
    return f"<!-- made by `make docs`: {name} -->"


def with_part(page: str, name: str, text: str) -> str:
    """The page with this text in place of what stood there."""
    before, begin, rest = page.partition(mark(name))
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MissingPartError(f"the page lacks `{mark(name)}`, or `{END}` behind it")
    return f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}"
