"""The folder in which a page's commands run: what a fresh clone holds.

All of it are links to this clone; what the commands write stays in the folder. There is no pip in it: that
would install the folder in place of the clone.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE_TREE = Path(__file__).parents[2]
MODEL = "examples/expertmesh-demo"
HUB_PORT = 9000
_OF_THE_MACHINE = ("PATH", "LANG", "CXX", "EXPERTMESH_CPU_KERNELS")


def make_ground(folder: Path) -> None:
    folder.mkdir(parents=True)
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=SOURCE_TREE, check=True, capture_output=True, text=True).stdout
    for name in sorted({file.split("/", 1)[0] for file in files.splitlines()} - {"examples"}):
        (folder / name).symlink_to(SOURCE_TREE / name)
    (folder / "examples").mkdir()
    for path in (SOURCE_TREE / "examples").iterdir():
        (folder / "examples" / path.name).symlink_to(path)
    _make_environment(folder / ".venv")


def environment(folder: Path) -> dict[str, str]:
    """Of a person with an empty home folder, for whom a hub on loopback is the hub."""
    kept = {name: os.environ[name] for name in _OF_THE_MACHINE if name in os.environ}
    return {
        **kept,
        "HOME": str(folder / "home"),
        "PATH": f"{folder / '.venv/bin'}:{kept['PATH']}",
        "PYTHONPATH": str(SOURCE_TREE),
        "PYTHONUNBUFFERED": "1",  # what is printed comes in its order, as on a terminal
        "OMP_NUM_THREADS": "1",
        "EXPERTMESH_CACHE": os.environ.get("EXPERTMESH_CACHE", str(Path.home() / ".cache" / "expertmesh")),
        "HF_ENDPOINT": f"http://127.0.0.1:{HUB_PORT}",
        "NO_PROXY": "*",
    }


def _make_environment(folder: Path) -> None:
    """The virtual environment of this test, without pip."""
    (folder / "bin").mkdir(parents=True)
    ours = Path(sys.prefix)
    for path in [*(ours / "bin").iterdir(), ours / "lib", ours / "pyvenv.cfg"]:
        if not path.name.startswith("pip"):
            (folder / path.relative_to(ours)).symlink_to(path)
    assert shutil.which("expertmesh", path=str(folder / "bin")), "the tests run in an environment that has it"
