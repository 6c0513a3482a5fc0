"""Every text that stands in the sources, with … where a value comes in: what a page may quote."""

import ast
from collections.abc import Iterator
from pathlib import Path

ANY = "…"
SPEAKERS = ("kernels", "protos", "model", "router", "workers", "gateway", "cluster", "examples/first_run")


def texts_of(source: str) -> Iterator[str]:
    """Its literals, those with values as a whole; what stands alone, a docstring, is said to nobody."""
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in alone:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else ANY for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.replace("%s", ANY).replace("%g", ANY)


def all_texts(root: Path) -> list[str]:
    files = [path for folder in SPEAKERS for path in sorted((root / folder).rglob("*.py"))]
    texts = [text for path in files if "gen" not in path.parts for text in texts_of(path.read_text())]
    return [*texts, (root / "Makefile").read_text()]


def is_said(quoted: str, texts: list[str]) -> bool:
    """Whether one of the texts holds the parts that the page quotes, in their order."""
    return any(_holds(text, [part.strip() for part in quoted.split(ANY)]) for text in texts)


def _holds(text: str, parts: list[str]) -> bool:
    at = 0
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return any(parts)
