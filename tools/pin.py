"""`make constraints` writes constraints.txt: every version that our extras lead to, as pip resolves today.

pip only resolves: nothing is installed, and PyTorch is not downloaded. It must run on the oldest Python that
we support, so that each chosen version exists for the newer ones too.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

OLDEST_PYTHON = (3, 11)
HEADER = """\
# Every version that ExpertMesh and its extras lead to, so that two installations are the same:
#     pip install -c constraints.txt '.[gateway]'
# It installs nothing that is not asked for. Remade by `make constraints`; not edited by hand.
"""
NAME_TO_MARKER = {"triton": "sys_platform == 'linux'"}


def main() -> int:
    if sys.version_info[:2] != OLDEST_PYTHON:
        print("this needs Python 3.11: make clean constraints PYTHON=python3.11", file=sys.stderr)
        return 1
    extras = tomllib.loads(Path("pyproject.toml").read_text())["project"]["optional-dependencies"]
    versions = resolve(f".[{','.join(extras)}]", "pip", "setuptools")
    Path("constraints.txt").write_text(render(versions))
    print(f"constraints.txt: {len(versions)} versions")
    return 0


def resolve(*requirements: str) -> dict[str, str]:
    """What a fresh environment would hold after `pip install` of these, by name as its author writes it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        subprocess.run([*pip, "--report", str(report), *requirements], check=True)
        installs = json.loads(report.read_text())["install"]
    metadata = [install["metadata"] for install in installs]
    return {entry["name"]: entry["version"] for entry in metadata if entry["name"] != "expertmesh"}


def render(name_to_version: Mapping[str, str]) -> str:
    """One pin a line, in the order of the normalised names."""
    pins = {_normalise(name): version for name, version in name_to_version.items()}
    return HEADER + "".join(_pin(name, version) for name, version in sorted(pins.items()))


def _pin(name: str, version: str) -> str:
    marker = NAME_TO_MARKER.get(name)
    return f"{name}=={version} ; {marker}\n" if marker else f"{name}=={version}\n"


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
