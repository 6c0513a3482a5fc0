"""Whole copies against a mesh: on the same devices, at the batch and context that were asked about."""

from dataclasses import replace

from cluster.plan.advice import compare
from cluster.plan.catalogue import LINKS, cpu_of, gpu_named, uniform
from cluster.plan.hardware import Hardware, Link
from cluster.plan.roofline import step_time
from cluster.plan.wanted import Wanted
from model.config import GPT_OSS_20B, GPT_OSS_120B

GB = 10**9
CPU = cpu_of(64 * GB)


def machines(gpu: str, num_nodes: int, link: Link = LINKS["100gbe"]) -> Hardware:
    return uniform(num_nodes, (gpu_named(gpu),), CPU, link)


def test_over_grpc_whole_copies_pay_where_they_fit() -> None:
    found = compare(GPT_OSS_120B, machines("H100", 4), Wanted(), 64, 2048)
    assert found.whole
    assert found.mesh
    assert found.best is found.whole
    assert found.whole.tokens_per_s == step_time(found.whole.plan, 64, 2048).tokens_per_s
    assert str(found).startswith("replicate: at best ")
    assert " with 4 whole copies, " in str(found)


def test_over_a_link_that_costs_nothing_spreading_pays() -> None:
    """Then each expert's weights are read once a step, and not once in every copy."""
    free = Link("free", 0.0, 1e18)
    hardware = replace(machines("H100", 4, free), local=free)
    found = compare(GPT_OSS_120B, hardware, Wanted(), 64, 2048)
    assert found.best is found.mesh
    assert str(found).startswith("spread the experts: at best ")


def test_a_cache_that_is_too_small_counts_against_a_layout() -> None:
    free = Link("free", 20e-6, 1e12)
    hardware = replace(machines("H100", 2, free), local=free)
    found = compare(GPT_OSS_120B, hardware, Wanted(), 300, 4096)
    assert found.whole
    assert not found.whole.fits_cache
    assert found.best is found.mesh


def test_small_devices_must_spread() -> None:
    found = compare(GPT_OSS_120B, machines("RTX 4090", 4), Wanted(), 8, 4096)
    assert found.whole is None
    assert str(found).startswith("spread the experts, as no device holds the model whole: at best ")


def test_one_device_keeps_the_model_whole_and_none_that_fits_is_said() -> None:
    alone = compare(GPT_OSS_20B, machines("H100", 1), Wanted(), 8, 4096)
    assert str(alone).startswith("keep the model whole")
    found = compare(GPT_OSS_120B, machines("RTX 4090", 2), Wanted(), 8, 4096)
    assert found.best is None
    assert str(found) == "neither whole copies nor experts spread over all devices fit"


def test_what_was_asked_for_is_among_what_is_compared() -> None:
    on_cpu = Wanted(experts=1, experts_on_gpu=False)
    hardware = uniform(1, (gpu_named("RTX 4090"),), cpu_of(128 * GB), LINKS["10gbe"])
    found = compare(GPT_OSS_120B, hardware, on_cpu, 2, 4096)
    assert found.mesh
    assert found.mesh.plan.wanted == on_cpu
