"""The tools that the model was trained with, in the very words that it was trained on.

Their texts are part of the format: to change one is to describe a tool that the model does not know. Not
here: what a client declares (`settings`), and whoever runs these tools.
"""

from gateway.harmony.settings import BuiltInTool, FunctionTool
from gateway.harmony.tool_namespace import ToolNamespace

_NUMBER = {"type": "number"}
_UNSAID = {"type": "number", "default": -1}
_TEXT = {"type": "string"}

_SEARCH = FunctionTool(
    "search",
    "Searches for information related to `query` and displays `topn` results.",
    {
        "type": "object",
        "properties": {"query": _TEXT, "topn": _NUMBER | {"default": 10}, "source": _TEXT},
        "required": ["query"],
    },
)

_OPEN = FunctionTool(
    "open",
    "Opens the link `id` from the page indicated by `cursor` starting at line number `loc`, showing "
    "`num_lines` lines.\n"
    "Valid link ids are displayed with the formatting: `【{id}†.*】`.\n"
    "If `cursor` is not provided, the most recent page is implied.\n"
    "If `id` is a string, it is treated as a fully qualified URL associated with `source`.\n"
    "If `loc` is not provided, the viewport will be positioned at the beginning of the document or "
    "centered on the most relevant passage, if available.\n"
    "Use this function without `id` to scroll to a new location of an opened page.",
    {
        "type": "object",
        "properties": {
            "id": {"type": ["number", "string"], "default": -1},
            "cursor": _UNSAID,
            "loc": _UNSAID,
            "num_lines": _UNSAID,
            "view_source": {"type": "boolean", "default": False},
            "source": _TEXT,
        },
    },
)

_FIND = FunctionTool(
    "find",
    "Finds exact matches of `pattern` in the current page, or the page given by `cursor`.",
    {"type": "object", "properties": {"pattern": _TEXT, "cursor": _UNSAID}, "required": ["pattern"]},
)

_BROWSER = ToolNamespace(
    "browser",
    "Tool for browsing.\n"
    "The `cursor` appears in brackets before each browsing display: `[{cursor}]`.\n"
    "Cite information from the tool using the following format:\n"
    "`【{cursor}†L{line_start}(-L{line_end})?】`, for example: `【6†L9-L11】` or `【8†L3】`.\n"
    "Do not quote more than 10 words directly from the tool output.\n"
    "sources=web (default: web)",
    (_SEARCH, _OPEN, _FIND),
)

_PYTHON = ToolNamespace(
    "python",
    "Use this tool to execute Python code in your chain of thought. The code will not be shown to the user. "
    "This tool should be used for internal reasoning, but not for code that is intended to be visible to the "
    "user (e.g. when creating plots, tables, or files).\n\n"
    "When you send a message containing Python code to python, it will be executed in a stateful Jupyter "
    "notebook environment. python will respond with the output of the execution or time out after 120.0 "
    "seconds. The drive at '/mnt/data' can be used to save and persist user files. Internet access for this "
    "session is UNKNOWN. Depends on the cluster.",
)


def namespace_of(tool: BuiltInTool) -> ToolNamespace:
    match tool:
        case BuiltInTool.BROWSER:
            return _BROWSER
        case BuiltInTool.PYTHON:
            return _PYTHON


def recipients_of(tool: BuiltInTool) -> tuple[str, ...]:
    """As whom messages address it: each of its functions, or itself where it takes plain text."""
    namespace = namespace_of(tool)
    return tuple(f"{namespace.name}.{each.name}" for each in namespace.tools) or (namespace.name,)
