"""Runs the tests that failed in the last `make test` once more, one after the other.

pytest's own --last-failed does not find all: its notes say "test@group" where a group shares a process.
"""

import json
import subprocess
import sys
from pathlib import Path

LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")


def failed_tests(file: Path) -> list[str]:
    """What pytest can be called with; nothing when nothing failed, or nothing was noted."""
    if not file.exists():
        return []
    return sorted(name.partition("@")[0] for name in json.loads(file.read_text(encoding="utf-8")))


def main() -> int:
    names = failed_tests(LAST_FAILED)
    if not names:
        print(f"{LAST_FAILED} names no test that failed", file=sys.stderr)
        return 1
    print("failed at first, run once more alone:", *names, sep="\n  ", flush=True)
    return subprocess.run([sys.executable, "-m", "pytest", "-v", *names], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
