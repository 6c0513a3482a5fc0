"""What an installation of each extra holds, read from the metadata of the installed distributions.

A distribution that a walk reaches but does not find installed fails the test: to pass over it would hide
all that is below it. The extra `test` therefore installs what these walks reach; the extras that it leaves
out are named in NOT_ALWAYS_INSTALLED, and skipped where they are absent.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = tuple(PYPROJECT["project"]["optional-dependencies"])

NOT_ALWAYS_INSTALLED = {
    "check": "make check installs it",
    "peers": "make bench installs it",
    "llama-cpp": "only who compares with llama.cpp installs it: it is compiled",
}
WEB_FRAMEWORKS = {"aiohttp", "bottle", "django", "falcon", "fastapi", "flask", "granian", "gunicorn"}
WEB_FRAMEWORKS |= {"hypercorn", "litestar", "quart", "sanic", "starlette", "tornado", "uvicorn", "werkzeug"}


def read_pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in pins}


PINS = read_pins()


def requirements_of(distribution: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """What a distribution asks for on this machine, its own extras included."""
    for line in requires(distribution) or []:
        requirement = Requirement(line)
        environments = [{"extra": extra} for extra in extras | {""}]
        if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
            yield requirement


def reachable(extra: str, root: str = "expertmesh") -> set[str]:
    """The distributions that `pip install root[extra]` brings, without the root."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(root, frozenset({extra}))]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        children = requirements_of(*node)
        waiting += [(canonicalize_name(child.name), frozenset(child.extras)) for child in children]
    return {name for name, _ in seen} - {root}


def installed(extra: str) -> set[str]:
    """What an extra brings; an absent distribution is a skip where it may be absent, else an error."""
    try:
        return reachable(extra)
    except PackageNotFoundError as error:
        if extra in NOT_ALWAYS_INSTALLED:
            bring = f"`pip install -c constraints.txt -e '.[{extra}]'` brings it"
            pytest.skip(f"{error.name} is not installed ({NOT_ALWAYS_INSTALLED[extra]}); {bring}")
        raise


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_reachable_distribution_is_pinned_at_its_installed_version(extra: str) -> None:
    wrong = {
        name: version(name)
        for name in sorted(installed(extra))
        if name not in PINS or not PINS[name].specifier.contains(version(name), prereleases=True)
    }
    assert wrong == {}, "remake constraints.txt (make constraints), or install again (make clean test)"


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_direct_requirement_is_pinned_within_its_bounds(extra: str) -> None:
    direct = [Requirement(line) for line in PYPROJECT["project"]["optional-dependencies"][extra]]
    for requirement in direct:
        if requirement.name == "expertmesh":
            assert requirement.extras <= set(EXTRAS)
            continue
        (pin,) = PINS[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version), requirement


def test_a_walk_stops_at_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, wanted in {"upper": "lower[more]", "lower": "absent ; extra == 'more'"}.items():
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\nRequires-Dist: {wanted}\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert reachable("", root="lower") == set()
    with pytest.raises(PackageNotFoundError, match="absent"):
        reachable("", root="upper")


def test_a_gateway_needs_neither_torch_nor_ray() -> None:
    gateway = reachable("gateway")
    assert "grpcio" in gateway
    assert gateway & {"torch", "triton", "ray"} == set()


def test_an_expert_worker_needs_no_web_framework() -> None:
    expert = reachable("expert")
    assert {"torch", "grpcio"} <= expert
    assert expert & WEB_FRAMEWORKS == set()


def test_no_extra_brings_the_foreign_kernels_package() -> None:
    assert "kernels" not in PINS


def test_each_pin_is_one_exact_version() -> None:
    assert PINS
    for pin in PINS.values():
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), pin


def test_torch_and_triton_are_pinned_exactly_also_without_constraints() -> None:
    assert str(PINS["torch"]) == "torch==2.13.0"
    assert str(PINS["triton"]) == 'triton==3.7.1; sys_platform == "linux"'
    model = {str(Requirement(line)) for line in PYPROJECT["project"]["optional-dependencies"]["model"]}
    assert {str(PINS["torch"]), str(PINS["triton"])} <= model


def test_pip_and_the_build_backend_are_pinned() -> None:
    assert {"pip", "setuptools"} <= PINS.keys()


def test_the_installed_version_is_the_one_in_the_sources() -> None:
    assert version("expertmesh") == PYPROJECT["project"]["version"]


def test_the_distribution_holds_every_file_of_the_cpu_kernels() -> None:
    folder = ROOT / "kernels" / "cpu"
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["kernels.cpu"]
    packaged = {file for pattern in patterns for file in folder.glob(pattern)}
    assert {file for file in folder.iterdir() if file.is_file() and file.suffix != ".py"} == packaged != set()


def test_the_distribution_holds_every_floor_and_nothing_else() -> None:
    floors = set(PYPROJECT["tool"]["importlinter"]["root_packages"])
    packaged = PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    assert set(packaged) == floors | {f"{floor}.*" for floor in floors}
