"""Commands that stand in the text of a page are commands that there are."""

import pytest

from tests.docs.pages import PAGES, ROOT
from tests.docs.spans import could_be_given, spans_of


def test_commands_in_the_text_could_be_given() -> None:
    found = [span for page in PAGES for span in spans_of(page.path, (ROOT / page.path).read_text())]
    assert len(found) > 50
    assert [each for each in found if not could_be_given(each[1])] == []


@pytest.mark.parametrize(
    ("words", "could_be"),
    [
        ("serve", True),
        ("serve --mode cluster", True),
        ("scale --experts", True),
        ("status --address", True),
        ("pull gpt-oss-20b", True),
        ("chat 'two words'", True),
        ("COMMAND --help", True),
        ("sreve", False),
        ("serve --nothing", False),
        ("serve --mode kubernetes", False),
        ("scale --experts many", False),
        ("drain --node first --undone", False),
    ],
)
def test_what_could_be_given(words: str, could_be: bool) -> None:
    assert could_be_given(words) == could_be


def test_blocks_are_left_out() -> None:
    page = "`expertmesh a b`\n```sh\n`expertmesh c`\n```\nand `.venv/bin/expertmesh d`, `make expertmesh`"
    assert list(spans_of("a.md", page)) == [("a.md:1", "a b"), ("a.md:5", "d")]
