"""The section of a system or developer message that declares tools.

Not here: which tools there are (`settings`, `built_in_tools`), and how their parameters are written
(`signature`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.harmony.settings import FunctionTool
from gateway.harmony.signature import signature


@dataclass(frozen=True, slots=True)
class ToolNamespace:
    """Without tools it is one tool that is described in prose."""

    name: str
    description: str = ""
    tools: tuple[FunctionTool, ...] = ()


def tools_section(namespaces: Sequence[ToolNamespace]) -> str:
    """In the order of their names."""
    in_order = sorted(namespaces, key=lambda namespace: namespace.name)
    return "\n\n".join(["# Tools", *("\n".join(_lines(namespace)) for namespace in in_order)])


def _lines(namespace: ToolNamespace) -> Iterator[str]:
    yield f"## {namespace.name}\n"
    comment = "// " if namespace.tools else ""
    yield from (f"{comment}{line}" for line in text_lines(namespace.description))
    if not namespace.tools:
        return
    yield f"namespace {namespace.name} {{\n"
    for tool in namespace.tools:
        yield from (f"// {line}" for line in text_lines(tool.description))
        taken = "" if tool.parameters is None else f"_: {signature(tool.parameters)}"
        yield f"type {tool.name} = ({taken}) => any;\n"
    yield f"}} // namespace {namespace.name}"


def text_lines(text: str) -> list[str]:
    """Lines end in line feeds, alone or behind a carriage return, and in nothing else."""
    *ended, last = text.split("\n")
    return [line.removesuffix("\r") for line in ended] + ([last] if last else [])
