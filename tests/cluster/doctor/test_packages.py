"""Packages against the bounds that our own metadata has."""

from importlib.metadata import version

import pytest

from cluster.doctor.finding import State
from cluster.doctor.packages import check_packages, check_python

PROTOBUF = version("protobuf")


def test_what_is_installed_here_is_fine() -> None:
    finding = check_packages(is_cluster=True)
    assert finding.state is State.OK, finding
    assert f"torch {version('torch')}, triton " in finding.found
    assert f"protobuf {PROTOBUF}" in finding.found
    assert check_python().state is State.OK


@pytest.mark.parametrize(
    ("requirement", "is_fit"),
    [
        (f"protobuf=={PROTOBUF}", True),
        (f"protobuf>={PROTOBUF} ; extra == 'wire'", True),
        ("protobuf (>=1.2) ; extra == 'wire'", True),
        ("protobuf==1.2", False),
        ("protobuf>=99.1", False),
        ("protobuf>=99.1 ; sys_platform == 'win32'", True),
        ("absent-package>=99", True),
        ("protobuf", True),
    ],
)
def test_each_bound_is_held(requirement: str, is_fit: bool) -> None:
    finding = check_packages(is_cluster=False, requirements=[requirement])
    assert (finding.state is not State.WRONG) == is_fit, finding
    if not is_fit:
        assert f"protobuf {PROTOBUF} (wanted " in finding.found


def test_what_a_mode_needs_and_is_not_there_is_named() -> None:
    finding = check_packages(is_cluster=True, requirements=["grpcio>=1", "numpy>=1"])
    assert finding.state is State.WRONG
    single = check_packages(is_cluster=False, requirements=["grpcio>=1"])
    assert single.state is State.WARNING, "it may be the machine of a gateway"
    assert "`serve --mode cluster` needs grpcio-status, protobuf, " in finding.found
    assert finding.found.endswith("torch, ray too")
