"""A sentence to the person who reads the terminal. Not here: results, which go to standard output."""

import sys


def note(sentence: str) -> None:
    print(f"expertmesh: {sentence}", file=sys.stderr, flush=True)
