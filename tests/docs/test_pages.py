"""Every page for users is followed as a user would: its commands run, and print what it shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks_of
from tests.docs.commands import commands_of
from tests.docs.ground import HUB_PORT, MODEL, environment, make_ground
from tests.docs.page_run import PageRun
from tests.docs.page_shell import PageShell
from tests.docs.pages import PAGES, ROOT, Need, Page, unlisted
from tests.docs.read_text import read_text
from tests.docs.stand_ins import STAND_INS, stand_in_of, without_comment

PREPARATIONS = {
    Need.HUB: f"""\
python -m tests.docs.page_hub {MODEL} {HUB_PORT} & disown
until curl -s -o /dev/null 127.0.0.1:{HUB_PORT}; do sleep 0.1; done""",
    Need.PULLED: "expertmesh pull gpt-oss-20b && expertmesh pull gpt-oss-120b",
    Need.SERVER: f"expertmesh serve --model {MODEL}",
}
RUN = ("sh", "console", "python")


def blocks(page: Page) -> list[Block]:
    return blocks_of(page.path, (ROOT / page.path).read_text())


@contextmanager
def shell_for(page: Page, tmp_path: Path) -> Iterator[PageRun]:
    folder, notes = tmp_path / "clone", tmp_path / "notes"
    make_ground(folder)
    notes.mkdir()
    shell = PageShell(folder, notes, environment(folder))
    try:
        for need in page.needs:
            done = shell.run(PREPARATIONS[need])
            assert done.status == 0, done.printed
        yield PageRun(shell, folder)
        assert set(shell.end_servers()) <= {0}, "a server ends in good order"
    finally:
        shell.close()


PAGE_CASES = [
    pytest.param(page, id=page.path, marks=pytest.mark.xdist_group("processes") if page.has_mesh else ())
    for page in PAGES
]
"""Pages that run a mesh go one after the other with all tests that do: each wants the machine."""


@pytest.mark.parametrize("page", PAGE_CASES)
def test_a_page_holds(page: Page, tmp_path: Path) -> None:
    found = blocks(page)
    for block in found:
        read_text(block)
    if any(block.kind in RUN for block in found):
        with shell_for(page, tmp_path) as run:
            run.follow(found)


def test_every_page_is_listed() -> None:
    assert unlisted(ROOT) == []


@pytest.mark.parametrize("index", ["README.md", "docs/README.md"])
def test_every_page_is_linked(index: str) -> None:
    """From the front page, and from the list of documents."""
    text = (ROOT / index).read_text()
    pages = [Path(page.path) for page in PAGES if page.path not in (index, "README.md", "CONTRIBUTING.md")]
    links = {page: page.relative_to(Path(index).parent).as_posix() for page in pages}
    assert [page for page, link in links.items() if f"]({link})" not in text] == []


def test_every_stand_in_is_needed_and_tested_where_it_says() -> None:
    all_commands = [without_comment(c.text) for page in PAGES for b in blocks(page) for c in commands_of(b)]
    needed = [stand_in_of(command) for command in all_commands]
    assert [each for each in STAND_INS if each not in needed] == []
    for stand_in in STAND_INS:
        assert [path for path in stand_in.tested_by if not (ROOT / path).is_file()] == []
        assert stand_in.because
