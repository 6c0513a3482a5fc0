"""Checks that what the docs point at exists: relative links, their #anchors, our own paths in `code spans`.

It asks no network, so links to the web are not checked. A path in a code span is taken for one of ours when
its first part is a top-level folder of the repository. To exist means that git holds the file, or would.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from os.path import normpath
from pathlib import Path, PurePosixPath

FENCE = re.compile(r"\s*(`{3,}(?!.*`)|~{3,})")
CODE_SPAN = re.compile(r"(`+)(.+?)\1")
INLINE_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'][^\"']*[\"'])?\s*\)")
LINK_DEFINITION = re.compile(r"^\s{0,3}\[[^\]]+\]:\s+<?([^\s>]+)")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
HEADING = re.compile(r"#{1,6}\s+(.+?)\s*#*$")
OWN_PATH = re.compile(r"[\w.-]+(/[\w.-]+)*/?")
LINES_OF_CODE = re.compile(r"L\d+(-L\d+)?")


@dataclass(frozen=True, slots=True)
class Reference:
    """One mention of something that should exist."""

    source: PurePosixPath
    line: int
    target: str
    is_link: bool


@dataclass(frozen=True, slots=True)
class Repository:
    """The files that count, relative to the root."""

    root: Path
    files: frozenset[PurePosixPath]

    @classmethod
    def of_git(cls, root: Path) -> "Repository":
        """Tracked files and new ones: a new page is checked before it is committed."""
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
        names = (name for name in listing.splitlines() if (root / name).is_file())
        return cls(root, frozenset(map(PurePosixPath, names)))

    def pages(self) -> list[PurePosixPath]:
        return sorted(file for file in self.files if file.suffix == ".md")

    def folders(self) -> set[PurePosixPath]:
        return {folder for file in self.files for folder in file.parents}

    def holds(self, path: PurePosixPath) -> bool:
        return path in self.files or path in self.folders()

    def lines(self, page: PurePosixPath) -> Iterator[tuple[int, str]]:
        """A page's numbered lines, without those of fenced code."""
        open_fence: str | None = None
        for number, line in enumerate((self.root / page).read_text().splitlines(), start=1):
            mark = FENCE.match(line)
            if mark and (open_fence is None or mark[1].startswith(open_fence)):
                open_fence = mark[1] if open_fence is None else None
            elif open_fence is None:
                yield number, line


def references(repository: Repository, page: PurePosixPath) -> Iterator[Reference]:
    top_folders = {file.parts[0] for file in repository.files if len(file.parts) > 1}
    for number, line in repository.lines(page):
        for _, span in CODE_SPAN.findall(line):
            if "/" in span and OWN_PATH.fullmatch(span) and span.split("/")[0] in top_folders:
                yield Reference(page, number, span, is_link=False)
        prose = CODE_SPAN.sub("", line)
        for target in INLINE_LINK.findall(prose) + LINK_DEFINITION.findall(prose):
            if not SCHEME.match(target):
                yield Reference(page, number, target, is_link=True)


def fault(repository: Repository, reference: Reference) -> str | None:
    """Why the reference does not hold, or None when it does."""
    path, _, anchor = reference.target.partition("#")
    if not reference.is_link or path.startswith("/"):
        target = PurePosixPath(path.lstrip("/"))
    elif path:
        target = PurePosixPath(normpath(reference.source.parent / path))
    else:
        target = reference.source
    if not repository.holds(target):
        return "the repository holds no such file"
    if not anchor or anchor in _anchors(repository, target):
        return None
    if target.suffix != ".md" and LINES_OF_CODE.fullmatch(anchor):
        return None
    return f"no heading of {target} makes this anchor"


def _anchors(repository: Repository, page: PurePosixPath) -> set[str]:
    """What GitHub makes of the headings; the second `Usage` becomes `usage-1`."""
    if page.suffix != ".md":
        return set()
    seen: Counter[str] = Counter()
    anchors = set()
    for _, line in repository.lines(page):
        if heading := HEADING.match(line):
            slug = _slug(heading[1])
            anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return anchors


def _slug(heading: str) -> str:
    visible = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", visible.lower()).replace(" ", "-")


def main() -> int:
    repository = Repository.of_git(Path.cwd())
    found = [reference for page in repository.pages() for reference in references(repository, page)]
    num_broken = 0
    for reference in found:
        if reason := fault(repository, reference):
            num_broken += 1
            print(f"{reference.source}:{reference.line}: {reference.target}: {reason}", file=sys.stderr)
    print(f"{len(found)} references in {len(repository.pages())} Markdown files, {num_broken} broken")
    return 1 if num_broken else 0


if __name__ == "__main__":
    sys.exit(main())
