"""Which part of which page is made from what."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tools.docs.command_pages import commands
from tools.docs.config_keys import config_keys
from tools.docs.error_table import error_table
from tools.docs.grpc_reference import grpc_reference
from tools.docs.http_reference import http_reference
from tools.docs.measured import measured

Make = Callable[[Path], str]
"""From the root of the repository to Markdown."""

PARTS: Mapping[str, Mapping[str, Make]] = {
    "docs/api-grpc.md": {"services": grpc_reference},
    "docs/api-http.md": {"endpoints": http_reference},
    "docs/commands.md": {"commands": commands},
    "docs/config.md": {"keys": config_keys},
    "docs/errors.md": {"errors": error_table},
    "docs/performance.md": {"measured": measured},
}
