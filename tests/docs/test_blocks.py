"""What a page may hold: fenced blocks of known kinds, and nothing that would escape."""

import pytest

from tests.docs.blocks import PageError, blocks_of, prose_of

PAGE = """\
# A page

```sh
echo a
```

- a list
  that goes on

    with a paragraph of its own

~~~yaml mesh.yaml
model: m
```
~~~
"""


def test_a_block_has_its_kind_its_place_and_its_file() -> None:
    first, second = blocks_of("a.md", PAGE)
    assert (first.kind, first.file, first.text, first.place) == ("sh", None, "echo a\n", "a.md:4")
    assert (second.kind, second.file, second.text) == ("yaml", "mesh.yaml", "model: m\n```\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a\n\n    expertmesh serve", "a.md:3: an indented block"),
        ("a\n\n\texpertmesh serve", "a.md:3: an indented block"),
        ("- a\n\nb\n\n    expertmesh serve", "a.md:5: an indented block"),
        ("```\nexpertmesh serve\n```", "a.md:2: a block of the kind ''"),
        ("```bash\nexpertmesh serve\n```", "a.md:2: a block of the kind 'bash'"),
        ("- a\n  ```sh\n  b\n  ```", "a.md:2: a fence that is indented"),
        ("```sh\nexpertmesh serve", "a.md:1: a fence that nothing closes"),
        ("````sh\n```\n", "a.md:1: a fence that nothing closes"),
        ("```text\nfirst\n.venv/bin/expertmesh serve\n```", "`.venv/bin/expertmesh serve` looks like a comm"),
        ("```text\n  $ anything\n```", "`$ anything` looks like a command"),
    ],
)
def test_what_would_escape_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(PageError, match=r"^a\.md") as refused:
        blocks_of("a.md", text)
    assert complaint in str(refused.value)


def test_prose_is_what_is_left() -> None:
    prose = prose_of("a.md", PAGE).split("\n")
    assert len(prose) == len(PAGE.splitlines())
    assert [line for line in prose if line] == [
        "# A page",
        "- a list",
        "  that goes on",
        "    with a paragraph of its own",
    ]
