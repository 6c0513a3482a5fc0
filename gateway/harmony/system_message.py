"""Writes the text of a system message. Not here: what the developer asks for (`developer_message`)."""

from collections.abc import Iterator

from gateway.harmony.built_in_tools import namespace_of
from gateway.harmony.settings import SystemSettings
from gateway.harmony.tool_namespace import tools_section

_FUNCTIONS_LINE = "Calls to these tools must go to the commentary channel: 'functions'."


def system_text(settings: SystemSettings, *, has_functions: bool) -> str:
    """`has_functions` says whether the conversation declares any, in whatever message."""
    return "\n\n".join(_sections(settings, has_functions))


def _sections(settings: SystemSettings, has_functions: bool) -> Iterator[str]:
    if lines := [*_facts(settings)]:
        yield "\n".join(lines)
    if settings.effort is not None:
        yield f"Reasoning: {settings.effort.value}"
    if settings.built_in_tools:
        yield tools_section([namespace_of(tool) for tool in settings.built_in_tools])
    if settings.channels:
        line = f"# Valid channels: {', '.join(settings.channels)}."
        if settings.channel_is_required:
            line += " Channel must be included for every message."
        yield f"{line}\n{_FUNCTIONS_LINE}" if has_functions else line


def _facts(settings: SystemSettings) -> Iterator[str]:
    if settings.identity is not None:
        yield settings.identity
    if settings.knowledge_cutoff is not None:
        yield f"Knowledge cutoff: {settings.knowledge_cutoff}"
    if settings.current_date is not None:
        yield f"Current date: {settings.current_date}"
