"""Writes the text of a developer message. Not here: the model and its effort (`system_message`)."""

from collections.abc import Iterator

from gateway.harmony.literal import literal
from gateway.harmony.settings import FUNCTIONS, DeveloperSettings, ResponseFormat
from gateway.harmony.tool_namespace import ToolNamespace, text_lines, tools_section


def developer_text(settings: DeveloperSettings) -> str:
    return "\n\n".join(_sections(settings))


def _sections(settings: DeveloperSettings) -> Iterator[str]:
    if settings.instructions is not None:
        yield "# Instructions"
        yield settings.instructions
    if settings.functions:
        yield tools_section([ToolNamespace(FUNCTIONS, tools=settings.functions)])
    if settings.response_formats:
        yield "# Response Formats"
        yield from map(_response_format, settings.response_formats)


def _response_format(wanted: ResponseFormat) -> str:
    comments = [f"// {line}" for line in text_lines(wanted.description)]
    return "\n".join([f"## {wanted.name}\n", *comments, literal(wanted.schema)])
