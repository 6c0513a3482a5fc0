"""Scripts and consoles cut into the commands that a shell would see."""

import pytest

from tests.docs.blocks import Block, PageError
from tests.docs.commands import commands_of

SCRIPT = """\
# a comment

export A=1
echo 'one
two' | wc -l
echo a \\
  b
cat > file <<'END'
echo no
END
{
  echo c; }
"""


def block(kind: str, text: str) -> Block:
    return Block("a.md", 10, kind, None, text)


def test_a_script_is_cut_where_commands_end() -> None:
    found = [(command.place, command.text) for command in commands_of(block("sh", SCRIPT))]
    assert found == [
        ("a.md:12", "export A=1"),
        ("a.md:13", "echo 'one\ntwo' | wc -l"),
        ("a.md:15", "echo a \\\n  b"),
        ("a.md:17", "cat > file <<'END'\necho no\nEND"),
        ("a.md:20", "{\n  echo c; }"),
    ]


def test_a_console_says_what_is_printed() -> None:
    text = "$ echo 'a\nb'\na\nb\n$ true\n$ cat $ \n$1\n"
    found = [(c.place, c.text, c.shown) for c in commands_of(block("console", text))]
    assert found == [
        ("a.md:10", "echo 'a\nb'", "a\nb\n"),
        ("a.md:14", "true", ""),
        ("a.md:15", "cat $ ", "$1\n"),
    ]


@pytest.mark.parametrize(
    ("kind", "text", "complaint"),
    [
        ("sh", "true\necho 'a\n", "the command `echo 'a` has no end"),
        ("console", "$ echo 'a\n", "a.md:10: the command `echo 'a` has no end"),
        ("console", "a\n$ true\n", "a.md:10: a console begins with `$ `"),
    ],
)
def test_what_is_no_command_is_refused(kind: str, text: str, complaint: str) -> None:
    with pytest.raises(PageError) as refused:
        commands_of(block(kind, text))
    assert complaint in str(refused.value)


def test_other_blocks_have_none() -> None:
    assert commands_of(block("text", "true\n")) == []
