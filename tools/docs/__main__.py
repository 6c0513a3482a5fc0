"""`make docs` makes the parts of pages that are made; with --check it says which are not as they would be."""

import argparse
import sys
from pathlib import Path

from tools.docs.made_part import with_part
from tools.docs.parts import PARTS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if a page has drifted")
    is_check: bool = parser.parse_args().check
    drifted = [page for page in PARTS if not _make(Path.cwd(), page, is_check=is_check)]
    for page in drifted:
        print(f"{page} is not what it is made from; `make docs` makes it anew", file=sys.stderr)
    return 1 if drifted else 0


def _make(root: Path, page: str, *, is_check: bool) -> bool:
    """-> whether the page is as it should be."""
    text = as_found = (root / page).read_text(encoding="utf-8")
    for name, make in PARTS[page].items():
        text = with_part(text, name, make(root))
    if not is_check:
        (root / page).write_text(text, encoding="utf-8")
    return text == as_found or not is_check


if __name__ == "__main__":
    sys.exit(main())
