"""A page that does not hold is noticed: each way in which one can be wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import PageError, blocks_of
from tests.docs.page_run import PageRun
from tests.docs.page_shell import PageShell

STUB = """\
#!/bin/sh
echo "expertmesh: serves m at http://127.0.0.1:8000/v1 and, over gRPC, at 127.0.0.1:8001"
trap 'exit 3' TERM
while true; do sleep 0.01; done
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "clone"
    (made / ".venv" / "bin").mkdir(parents=True)
    (made / ".venv" / "bin" / "python").write_text("#!/bin/sh\nexec /usr/bin/env sh $1\n")
    (made / "expertmesh").write_text(STUB)
    for program in (made / ".venv" / "bin" / "python", made / "expertmesh"):
        program.chmod(0o755)
    return made


@pytest.fixture
def shell(folder: Path, tmp_path: Path) -> Iterator[PageShell]:
    (tmp_path / "notes").mkdir()
    made = PageShell(folder, tmp_path / "notes", {"PATH": "/usr/bin:/bin"})
    yield made
    made.close()


@pytest.fixture
def run(folder: Path, shell: PageShell) -> PageRun:
    return PageRun(shell, folder)


def follow(run: PageRun, text: str) -> None:
    run.follow(blocks_of("a.md", text))


def test_a_page_that_holds(run: PageRun) -> None:
    """Variables, functions and the folder last from block to block; a block may be a file."""
    follow(run, "```sh\nexport A=1\ncd sub 2> /dev/null || mkdir sub\n```\n```console\n$ echo $A\n1\n```")
    follow(run, "```json data.json\n{}\n```\n```console\n$ cat data.json    # as above\n{}\n```")
    follow(run, "```console\n$ (exit 7)\n$ echo $?\n7\n```")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```sh\ntrue\nfalse\n```", "a.md:3: `false` ended with status 1"),
        ("```sh\nno-such-command-at-all\n```", "ended with status 127"),
        ("```console\n$ echo b\na\n```", "a.md:2: `echo b` printed\nb\n\nand the page shows\na"),
        ("```console\n$ echo b\n```", "`echo b` printed"),
        ("```console\n$ (exit 7)\n$ echo $?\n6\n```", "a.md:3: the status before was 7"),
        ("```console\n$ (exit 7)\n$ true\n$ echo $?\n0\n```", "ended with status 7"),
        ("```python\nexit 4\n```", "a.md:2: the program ended with status 4"),
        ("```sh\n./expertmesh-not serve --model m\n```", "ended with status 127"),
        ("```sh\nexpertmesh serve --model m\n```", "ended with status 127"),
    ],
)
def test_a_page_that_does_not_hold(run: PageRun, text: str, complaint: str) -> None:
    with pytest.raises(PageError) as refused:
        follow(run, text)
    assert complaint in str(refused.value)


def test_a_server_runs_on_while_the_page_is_followed(run: PageRun, shell: PageShell) -> None:
    serve = "$ ./expertmesh serve --model m\n"
    follow(run, f"```console\n{serve}expertmesh: serves m at …\n$ jobs -r | wc -l\n1\n```")
    with pytest.raises(PageError, match="printed"):
        follow(run, f"```console\n{serve}expertmesh: waits\n```")
    assert shell.end_servers() == [3, 3], "and its status is known"


def test_a_server_may_be_ended_by_the_page(run: PageRun, shell: PageShell) -> None:
    follow(run, "```sh\n./expertmesh serve --model m &    # until it serves\nkill %1; wait\n```")
    assert shell.end_servers() == [0]


def test_there_is_no_network_but_loopback(run: PageRun) -> None:
    follow(run, "```console\n$ cat /proc/net/dev | grep -c :\n1\n```")
    with pytest.raises(PageError, match="ended with status 1"):
        follow(run, "```sh\n(exec 3<> /dev/tcp/192.0.2.1/80) 2> /dev/null\n```")


def test_folders_of_the_reader_are_in_that_of_the_page(run: PageRun, folder: Path) -> None:
    commands = "$ mkdir /models && mkdir /models/a && cd /models/a && pwd; cd - > /dev/null\n/models/a\n"
    follow(run, f"```console\n{commands}```")
    assert (folder / "models" / "a").is_dir()
    assert not Path("/models/a").exists()
