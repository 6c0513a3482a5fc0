"""Hardware by name."""

import pytest

from cluster.plan.catalogue import GPUS, GRPC_BANDWIDTH, GRPC_ROUND_TRIP_S, LINKS, cpu_of, gpu_named, uniform
from cluster.plan.hardware import Device
from protos.errors import ConfigError


def test_names_are_forgiving_and_unknown_ones_are_refused_with_the_known() -> None:
    assert gpu_named("rtx 4090") is gpu_named("RTX-4090")
    with pytest.raises(ConfigError, match=r"the GPU gtx is not in the catalogue \(H100, H200, A100-80, B200"):
        gpu_named("gtx")


def test_every_gpu_reads_its_memory_in_a_blink_and_computes_faster_than_it_reads() -> None:
    for gpu in GPUS.values():
        assert 0.01 < gpu.memory_bytes / gpu.bandwidth < 0.06, gpu
        assert 100 < gpu.flops / gpu.bandwidth < 500, gpu


def test_no_link_is_faster_than_grpc() -> None:
    for link in LINKS.values():
        assert link.round_trip_s > GRPC_ROUND_TRIP_S
        assert link.bandwidth <= GRPC_BANDWIDTH
    assert LINKS["10gbe"].bandwidth == 1.25e9


def test_devices_come_one_of_each_node_first() -> None:
    hardware = uniform(2, (gpu_named("L40S"),) * 2, cpu_of(10**9), LINKS["10gbe"])
    places = [(place.node, place.index) for place in hardware.devices(gpus=True)]
    assert places == [("node-0", 0), ("node-1", 0), ("node-0", 1), ("node-1", 1)]
    assert [str(place) for place in hardware.devices(gpus=False)] == ["cpu", "cpu"]


def test_nothing_can_be_of_no_size() -> None:
    with pytest.raises(ConfigError, match="0 nodes are asked for"):
        uniform(0, (), cpu_of(10**9), LINKS["10gbe"])
    with pytest.raises(ConfigError, match="must all be above zero"):
        Device("x", 0, 1.0, 1.0)
