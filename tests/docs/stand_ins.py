"""What the test of the pages does in place of a command that cannot run in it, and why; all of them are here.

A command that stands in this table is still read: it must be there, or its line must go.
"""

import re
from dataclasses import dataclass

from tests.model.hub.hub_server import FIRST_COMMIT


@dataclass(frozen=True, slots=True)
class StandIn:
    """`instead` runs in place of what `command` matches as a whole; None: nothing does."""

    command: str
    instead: str | None
    because: str
    tested_by: tuple[str, ...] = ()
    """Files of tests that run the command itself, or what it stands for."""


STAND_INS: tuple[StandIn, ...] = (
    StandIn(
        r"make (?:test|check|docs)",
        None,
        "the test would run itself; CI runs both, and a test reads the help",
        ("tests/test_makefile.py",),
    ),
    StandIn(
        r"make run.*",
        None,
        "it installs, which needs a package index; what it then does is tested",
        ("tests/end_to_end/test_first_run.py", "tests/examples/first_run/test_first_run.py"),
    ),
    StandIn(
        r"python3 -m venv .venv",
        None,
        "there is one, without pip: what is installed is the clone",
        ("tests/test_makefile.py",),
    ),
    StandIn(
        r"expertmesh serve --mode cluster --config spread.yaml",
        None,
        "four GPUs",
        ("tests/cluster/test_plan_command.py", "tests/cluster/ray/test_needs.py"),
    ),
    StandIn(
        r"pkill -9 -f '\^ray::expert-0'|"
        r"\.venv/bin/expertmesh (?:chat .+ 'What is a replica\?'|status --watch)",
        None,
        "the mesh is that of `make run`; to watch goes on until Ctrl-C",
        ("tests/cluster/ray/test_mesh_on_ray.py", "tests/cluster/test_mesh_commands.py"),
    ),
    StandIn(
        r"python -m examples.demo.\w+ .+",
        None,
        "training and scoring take long; the tests do both in small",
        ("tests/examples/demo/test_train.py", "tests/examples/demo/test_checkpoint.py"),
    ),
    StandIn(
        r"(?:\.venv/bin/)?python -m benchmarks\.model --against .+",
        None,
        "16 GB of memory, and llama.cpp, which is compiled; CI runs the small form",
        ("tests/benchmarks/model/test_main.py",),
    ),
    StandIn(
        r"make chaos",
        None,
        "minutes; the same troubles are tests, one by one",
        ("tests/cluster/test_mesh.py", "tests/cluster/test_partition.py"),
    ),
    StandIn(
        r"(?:\.venv/bin/)?pip (?:install|download) .+",
        None,
        "there is no package index; what each extra brings is tested",
        ("tests/test_packaging.py",),
    ),
    StandIn(
        r"expertmesh gateway --config mesh.yaml --mesh 10.0.0.1:7700",
        None,
        "the controller is on another machine; here it is on this one",
        ("tests/cluster/test_gateway_command.py",),
    ),
    StandIn(
        r"ray start .+|expertmesh serve --mode cluster --config many.yaml|expertmesh stop --config many.yaml",
        None,
        "it wants several machines; the test has several nodes of Ray on one",
        ("tests/cluster/ray/test_mesh_on_ray.py",),
    ),
    StandIn(
        r"expertmesh drain --node second",
        None,
        "there is one node",
        ("tests/cluster/test_mesh_commands.py",),
    ),
    StandIn(
        r"expertmesh chat",
        None,
        "a conversation on a terminal",
        ("tests/cluster/chat/test_session.py", "tests/cluster/test_chat_command.py"),
    ),
    StandIn(
        r"(.*expertmesh verify) FOLDER",
        r"\1 home/.cache/huggingface/hub/models--openai--gpt-oss-20b/snapshots/*",
        "the folder is what `pull` has said",
    ),
    StandIn(
        r"expertmesh pull (\S+)@COMMIT (.+)",
        rf"expertmesh pull \1@{FIRST_COMMIT} \2",
        "a reader has a commit of the real hub in mind",
    ),
    StandIn(
        r"make bench", None, "minutes; CI runs it behind this test", ("tests/benchmarks/test_report.py",)
    ),
)


ELSEWHERE = ("/models", "/media")
"""Folders of a user's machine; in the test they lie in the folder of the page."""


def stand_in_of(command: str) -> StandIn | None:
    return next((each for each in STAND_INS if re.fullmatch(each.command, command, re.DOTALL)), None)


def without_comment(command: str) -> str:
    """A comment behind a command is for readers."""
    return re.sub(r"\s+#\s.*$", "", command) if "\n" not in command else command
