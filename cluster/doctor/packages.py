"""Are the packages that are installed the ones that this release was made for? Imports none of them.

Bounds and exact versions are those of our own metadata, so there is no second list of them.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version

from cluster.doctor.finding import Finding

_SHOWN = ("torch", "triton", "ray", "grpcio", "protobuf", "llguidance")
_NEEDED = ("grpcio", "grpcio-status", "protobuf", "llguidance", "starlette", "uvicorn", "httptools")
"""Of a gateway, which every mode has."""
_NEEDED_BY_ENGINES = ("torch", "numpy")
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,-]*\])?(==|>=)([\w.]+)")
_LEAST_PYTHON = (3, 11)


def check_python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _LEAST_PYTHON:
        return Finding.wrong("python", found, "install Python 3.11 or newer")
    return Finding.ok("python", found)


def check_packages(*, is_cluster: bool, requirements: Sequence[str] | None = None) -> Finding:
    """`requirements`: ours, if no others are given."""
    try:
        wanted = list(_bounds(requires("expertmesh") or [] if requirements is None else requirements))
    except PackageNotFoundError:
        return Finding.unchecked("packages", "expertmesh itself is not installed, so nothing says which fit")
    installed = {name: found for name, _, _ in wanted if (found := _installed(name)) is not None}
    unfit = [
        f"{name} {installed[name]} (wanted {sign}{bound})"
        for name, sign, bound in wanted
        if name in installed and not _fits(installed[name], sign, bound)
    ]
    if unfit:
        return Finding.wrong(
            "packages",
            f"not those of this release: {', '.join(dict.fromkeys(unfit))}",
            "install again with the versions of this release: pip install -c constraints.txt -e '.[single]'",
        )
    absent = [name for name in _needed(is_cluster=is_cluster) if name not in installed]
    if absent:
        mode = "cluster" if is_cluster else "single"
        say = Finding.wrong if is_cluster else Finding.warning  # single: it may be a gateway's machine
        return say(
            "packages",
            f"{_shown(installed)}; `serve --mode {mode}` needs {', '.join(absent)} too",
            f"pip install -c constraints.txt 'expertmesh[{mode}]'; for a gateway alone 'expertmesh[gateway]'",
        )
    return Finding.ok("packages", _shown(installed))


def _needed(*, is_cluster: bool) -> Sequence[str]:
    return (*_NEEDED, *_NEEDED_BY_ENGINES, *(("ray",) if is_cluster else ()))


def _shown(installed: Mapping[str, str]) -> str:
    absent = [name for name in _SHOWN if name not in installed]
    there = [f"{name} {installed[name]}" for name in _SHOWN if name in installed]
    return ", ".join(there) + (f"; without {', '.join(absent)}" if absent else "")


def _bounds(requirements: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Name, sign and version of each that has one and stands for this platform."""
    for line in requirements:
        requirement, _, marker = line.partition(";")
        if "sys_platform" in marker and f'"{sys.platform}"' not in marker.replace("'", '"'):
            continue
        found = _REQUIREMENT.match(requirement.replace(" ", ""))
        if found is not None:
            yield found[1], found[2], found[3]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _fits(found: str, sign: str, bound: str) -> bool:
    """What stands behind a plus or a letter is the same release, built otherwise."""
    numbers, wanted = _numbers(found), _numbers(bound)
    return numbers[: len(wanted)] == wanted if sign == "==" else numbers >= wanted


def _numbers(text: str) -> list[int]:
    release = re.match(r"[\d.]*", text)
    return [int(part) for part in (release[0] if release else "").split(".") if part]
