"""What the planner is told of Ray's nodes; where anything is not known, nothing is planned."""

from dataclasses import replace

import pytest

from cluster.plan.catalogue import GPUS
from cluster.ray.ray_hardware import hardware_of
from cluster.ray.this_node import RayNode

GB = 10**9
PLAIN = RayNode("1", "first", "10.0.0.1", num_gpus=0, num_cpus=8.0, memory_bytes=30 * GB)
LARGE = replace(PLAIN, name="second", num_gpus=2, gpu_type="H100", memory_bytes=500 * GB)


def test_nodes_have_what_ray_says_and_gpus_what_the_catalogue_says() -> None:
    hardware = hardware_of([PLAIN, LARGE], 2)
    assert hardware is not None
    first, second = hardware.nodes
    assert (first.name, first.cpu.memory_bytes, first.gpus) == ("first", 30 * GB, ())
    assert (second.name, second.cpu.memory_bytes, second.gpus) == ("second", 500 * GB, (GPUS["h100"],) * 2)


def test_gpus_that_nobody_uses_are_not_looked_at() -> None:
    hardware = hardware_of([replace(LARGE, gpu_type="T4")], 0)
    assert hardware is not None
    assert not hardware.has_gpus


def test_a_head_that_takes_no_work_is_left_out() -> None:
    hardware = hardware_of([replace(PLAIN, num_cpus=0.0, memory_bytes=0), LARGE], 1)
    assert hardware is not None
    assert [node.name for node in hardware.nodes] == ["second"]


@pytest.mark.parametrize(("said", "known"), [("A100-80G", "a100-80"), ("A100", None), (None, None)])
def test_ray_has_names_of_its_own(said: str | None, known: str | None) -> None:
    hardware = hardware_of([replace(LARGE, gpu_type=said)], 1)
    if known is None:
        assert hardware is None
    else:
        assert hardware is not None
        assert hardware.nodes[0].gpus == (GPUS[known],) * 2


@pytest.mark.parametrize(
    ("nodes", "num_gpus_wanted"),
    [
        ([], 0),
        ([replace(PLAIN, num_cpus=0.0)], 0),
        ([replace(PLAIN, memory_bytes=0)], 0),
        ([PLAIN, LARGE], 3),
    ],
)
def test_what_is_still_to_come_is_not_planned(nodes: list[RayNode], num_gpus_wanted: int) -> None:
    assert hardware_of(nodes, num_gpus_wanted) is None
