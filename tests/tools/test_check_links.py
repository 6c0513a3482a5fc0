"""Each page is a real file in a temporary folder; the checker reads it as it would ours."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from tools.check_links import Repository, fault, main, references

Faults = Callable[[str], list[str]]


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    """The broken targets of a page docs/page.md, beside docs/other.md and model/rope.py."""

    def run(text: str) -> list[str]:
        pages = {
            "docs/page.md": text,
            "docs/other.md": "# Other\n## Two words: `code`, and [a link](page.md)\n## Twice\n## Twice\n",
            "model/rope.py": "",
        }
        for name, content in pages.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content)
        repository = Repository(tmp_path, frozenset(map(PurePosixPath, pages)))
        found = references(repository, PurePosixPath("docs/page.md"))
        return [reference.target for reference in found if fault(repository, reference)]

    return run


@pytest.mark.parametrize(
    "text",
    [
        "[other](other.md)",
        "[other](./other.md 'with a title')",
        "[up and down](../docs/other.md)",
        "[from the root](/docs/other.md)",
        "[a folder](../model/) and [the root](..)",
        "[anchor](other.md#two-words-code-and-a-link)",
        "[the second of two](other.md#twice-1)",
        "# Here\n[same page](#here)",
        "[lines](../model/rope.py#L3-L9)",
        "[![picture](other.md)](other.md)",
        "[by name][other]\n\n[other]: other.md",
        "[the web is not asked](https://example.org/no) and [mail](mailto:a@example.org)",
        "`model/rope.py` and `model/`",
        "`tests/<floor>/test_<file>.py`, `build/load.json` and `rate/s` are no paths of ours",
        "```\n[in code](absent.md)\n# Not a heading\n```",
        "````\n```\n````\n[after a fence in a fence](other.md)",
        "````\n```\n[in a fence in a fence](absent.md)\n````",
        "`[in a span](absent.md)`",
    ],
)
def test_what_exists_is_accepted(faults: Faults, text: str) -> None:
    assert faults(text) == []


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("[gone](absent.md)", "absent.md"),
        ("[out of the repository](../../etc/passwd)", "../../etc/passwd"),
        ("[gone from the root](/other.md)", "/other.md"),
        ("[anchor](other.md#three-words)", "other.md#three-words"),
        ("[there are only two](other.md#twice-2)", "other.md#twice-2"),
        ("```\n# Here\n```\n[a heading in code](#here)", "#here"),
        ("[code has lines only](../model/rope.py#rope)", "../model/rope.py#rope"),
        ("[![picture](absent.png)](other.md)", "absent.png"),
        ("[by name][other]\n\n[other]: absent.md", "absent.md"),
        ("~~~\n```\n~~~\n[after a fence in a fence](absent.md)", "absent.md"),
        ("```one line``` is no fence\n[gone](absent.md)", "absent.md"),
        ("`model/absent.py`", "model/absent.py"),
        ("`model/absent/`", "model/absent/"),
    ],
)
def test_what_does_not_exist_is_named(faults: Faults, text: str, broken: str) -> None:
    assert faults(text) == [broken]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository. A git hook that runs these tests sets GIT_DIR, which would lead git to ours."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_git_says_which_files_count(checkout: Path) -> None:
    (checkout / ".gitignore").write_text("ignored.md\n")
    for name in ("tracked.md", "new.md", "ignored.md", "deleted.md"):
        (checkout / name).write_text("")
    subprocess.run(["git", "add", "tracked.md", "deleted.md"], check=True)
    (checkout / "deleted.md").unlink()
    assert Repository.of_git(checkout).pages() == [PurePosixPath("new.md"), PurePosixPath("tracked.md")]


def test_a_broken_page_fails_the_command(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (checkout / "page.md").write_text("[gone](absent.md)\n")
    assert main() == 1
    assert "page.md:1: absent.md: the repository holds no such file" in capsys.readouterr().err
    (checkout / "page.md").write_text("[here](page.md)\n")
    assert main() == 0
