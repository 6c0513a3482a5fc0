"""Every test draws its random tensors from a seed of its own, so that a failure can be seen again."""

import os
import zlib

import pytest

from cluster.environment import let_idle_threads_sleep

let_idle_threads_sleep()  # before any test imports torch

import torch  # noqa: E402


@pytest.fixture(autouse=True)
def seeded(request: pytest.FixtureRequest) -> None:
    """EXPERTMESH_TEST_SEED draws other inputs."""
    salt = os.environ.get("EXPERTMESH_TEST_SEED", "0")
    torch.manual_seed(zlib.crc32(f"{salt} {request.node.nodeid}".encode()))
