"""OpenAI's TypeScript clients (npm openai and @openai/agents) drive a running server.

Their programs are in tests/clients_ts; TypeScript checks them against the clients' own types, and they print
what they saw. The packages are installed once, as their lock has it, into build/.
"""

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.gateway.http_face.running_face import MODEL
from tests.gateway.responses.served import Served, calling, served, thinking

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "tests" / "clients_ts"
HOME = ROOT / "build" / "clients_ts"
OLDEST_NODE = 20
INSTALL_S, COMPILE_S, DRIVE_S = 300.0, 60.0, 60.0

CALL = calling("I look.", "look", '{"at":"sea"}')
YES = thinking("Hm.", "Yes.")
COLOUR = thinking("Hm.", '{"colour":"blue","depth":7}')
SCRIPT = [
    *(YES, YES, CALL, YES, COLOUR),  # chat
    *(YES, YES, CALL, YES, COLOUR, YES),  # responses
    *(CALL, YES, CALL, YES),  # agents
]
TOLD_COLOUR = {"colour": "blue", "depth": 7}
CALLED = {"name": "look", "arguments": {"at": "sea"}}

pytestmark = pytest.mark.xdist_group("clients_ts")


def leave_untested(why: str) -> NoReturn:
    """Skips; but CI must not pass without these tests."""
    said = f"{why}, so the TypeScript clients are NOT tested"
    if os.environ.get("CI") == "true":
        pytest.fail(said)
    pytest.skip(said)


async def ran(timeout_s: float, *command: str, **environment: str) -> tuple[int, str, str]:
    """-> exit status, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=HOME,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def install() -> None:
    """Once for each lock; leaves untested where the packages cannot be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        leave_untested("node and npm are not installed")
    status, version, _ = await ran(10.0, "node", "--version")
    if status or int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        leave_untested(f"node is {version.strip()}, and {OLDEST_NODE} is needed")
    lock = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HOME / "installed"
    if stamp.exists() and stamp.read_text() == lock:
        return
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    status, _, errors = await ran(INSTALL_S, "npm", "ci", *quiet)
    if status:
        leave_untested(f"npm cannot install them ({errors[-500:]})")
    stamp.write_text(lock)


async def compiled() -> None:
    """Raises where the clients' types do not allow what is done with them."""
    HOME.mkdir(parents=True, exist_ok=True)
    for path in SOURCE.iterdir():
        if path.is_file():
            shutil.copy(path, HOME / path.name)
    await install()
    status, output, _ = await ran(COMPILE_S, "node", "node_modules/typescript/bin/tsc", "--project", ".")
    assert status == 0, output


async def driven(at: Served) -> Any:
    status, output, errors = await ran(
        DRIVE_S, "node", "out/drive.js", EXPERTMESH_BASE_URL=at.url, EXPERTMESH_MODEL=MODEL
    )
    assert status == 0, errors
    return json.loads(output)


def flattened(seen: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for area, parts in seen.items():
        for name, value in parts.items():
            yield f"{area}.{name}", value


@pytest.mark.parametrize(
    ("environment", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_ci_does_not_pass_without_them(
    environment: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", environment)
    with pytest.raises(outcome, match="there is no node, so the TypeScript clients are NOT tested"):
        leave_untested("there is no node")


async def test_they_drive_chat_responses_and_agents() -> None:
    await compiled()
    async with served(*SCRIPT) as at:
        seen = dict(flattened(await driven(at)))
        assert len(at.gateway.link.requests) == len(SCRIPT)
    types = set(seen["responses.streamed"].pop("types"))
    assert {"response.created", "response.reasoning_text.delta", "response.completed"} <= types
    assert seen == {
        "chat.whole": {"content": "Yes.", "finish": "stop", "hasUsage": True},
        "chat.streamed": {"content": "Yes.", "fromDeltas": "Yes.", "hasUsage": True},
        "chat.tool": {**CALLED, "content": "Yes."},
        "chat.structured": TOLD_COLOUR,
        "responses.whole": {"status": "completed", "text": "Yes.", "reasoning": "Hm."},
        "responses.streamed": {"numbers": True, "text": "Yes.", "status": "completed"},
        "responses.tool": {**CALLED, "text": "Yes."},
        "responses.structured": TOLD_COLOUR,
        "responses.inBackground": {
            "begun": "queued",
            "first": 2,
            "done": "completed",
            "text": "Yes.",
            "gone": 404,
        },
        "agents.whole": {"places": ["sea"], "output": "Yes."},
        "agents.streamed": {"places": ["sea"], "output": "Yes.", "text": "Yes."},
    }
