"""What pages quote as said is what the product says: tables that begin with “it says”."""

import re
from collections.abc import Iterator

import pytest

from tests.docs.messages import all_texts, is_said, texts_of
from tests.docs.pages import PAGES, ROOT

HEAD = "| it says |"
SAID_BY_MAKE = ("ExpertMesh needs Python 3.11 or newer, and '…' is: …",)


def tables(page: str) -> Iterator[tuple[int, str]]:
    """Number and first cell of each row of such a table."""
    is_open = False
    for number, line in enumerate((ROOT / page).read_text().splitlines(), start=1):
        if line.startswith(HEAD):
            is_open = True
        elif not line.startswith("|"):
            is_open = False
        elif is_open and not line.startswith("|---"):
            yield number, line.split(" | ")[0].removeprefix("| ")


def test_pages_quote_what_is_said() -> None:
    texts = all_texts(ROOT)
    quoted = [
        (f"{page.path}:{number}", text)
        for page in PAGES
        for number, cell in tables(page.path)
        for text in re.findall(r"`([^`]+)`", cell) or [f"nothing: {cell}"]
    ]
    assert len(quoted) > 60
    assert [each for each in quoted if not is_said(each[1], texts) and each[1] not in SAID_BY_MAKE] == []


@pytest.mark.parametrize(
    ("quoted", "is_there"),
    [
        ("the key … is unknown", True),
        ("it has … values, and … fit", True),
        ("it has …", True),
        ("the key is unknown", False),
        ("… fit, and it has …", False),
        ("the whole line, said once", True),
        ("…", False),
        ("said to nobody", False),
    ],
)
def test_a_message_is_found_by_its_parts(quoted: str, is_there: bool) -> None:
    source = '''
"""said to nobody"""
a = f"the key {b} is unknown; {c}"
d = (f"it has {n} values, "
     f"and {m} fit")
e = "the whole line, said once"
'''
    assert is_said(quoted, list(texts_of(source))) == is_there
