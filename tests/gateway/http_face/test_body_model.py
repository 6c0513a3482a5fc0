"""docs/http.md against the fields that there are."""

import re
from pathlib import Path

import pytest

from gateway.http_face.body_model import Ignored, Refused, marked_fields
from gateway.http_face.chat.body import ChatBody
from gateway.http_face.completions.body import CompletionBody
from gateway.http_face.generation_body import GenerationBody
from gateway.http_face.settings import HttpSettings

PAGE = (Path(__file__).parents[3] / "docs" / "http.md").read_text()
BODIES = (ChatBody, CompletionBody)


def fields_under(heading: str) -> set[str]:
    """In the first column of the table that follows this line."""
    table = PAGE.split(f"\n{heading}\n\n", 1)[1].split("\n\n", 1)[0]
    return {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def marked(mark: type[Ignored] | type[Refused]) -> set[str]:
    return {name for body in BODIES for name in marked_fields(body, mark)}


def test_the_page_lists_what_is_ignored_and_what_is_refused() -> None:
    assert fields_under("Ignored, as nothing depends on them:") == marked(Ignored)
    assert fields_under("Refused, but for values that ask for nothing:") == marked(Refused)


def test_the_page_lists_what_is_obeyed() -> None:
    unobeyed = marked(Ignored) | marked(Refused)
    common = (GenerationBody.model_fields.keys() | {"response_format"}) - unobeyed
    assert fields_under("In both:") == common
    for heading, body in (("In chats:", ChatBody), ("In completions:", CompletionBody)):
        assert fields_under(heading) == body.model_fields.keys() - unobeyed - common


@pytest.mark.parametrize("name", ["header_timeout_s", "body_timeout_s", "write_timeout_s", "keep_alive_s"])
def test_the_page_says_how_long(name: str) -> None:
    assert f"`{name}` {getattr(HttpSettings(), name):g}" in PAGE
