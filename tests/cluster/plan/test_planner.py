"""What is advised does fit, and nothing smaller of its kind does."""

import re
from dataclasses import replace

import pytest

from cluster.plan.catalogue import cpu_of, gpu_named, uniform
from cluster.plan.hardware import Hardware
from cluster.plan.planner import plan_mesh
from cluster.plan.wanted import Wanted
from model.config import GPT_OSS_20B, GPT_OSS_120B, ModelConfig
from protos.errors import DoesNotFitError
from tests.cluster.plan.small_mesh import LINK

GB = 10**9


def machines(num_nodes: int, num_gpus: int, memory_gb: int = 24) -> Hardware:
    gpu = replace(gpu_named("RTX 4090"), memory_bytes=memory_gb * GB)
    return uniform(num_nodes, (gpu,) * num_gpus, cpu_of(memory_gb * GB), LINK)


def advice(config: ModelConfig, hardware: Hardware, wanted: Wanted) -> str:
    with pytest.raises(DoesNotFitError) as raised:
        plan_mesh(config, hardware, wanted)
    sentence, found, help_text = str(raised.value).partition(". It would fit with ")
    assert sentence
    assert found
    return help_text


def test_fewer_replicas_more_nodes_or_more_memory() -> None:
    wanted = Wanted(experts=3, replicas=2)
    found = advice(GPT_OSS_120B, machines(1, 4), wanted)
    assert found == (
        "1 replica instead of 2, or 1 more node and 7 expert workers, or 42 GB of memory in each GPU"
    )
    plan_mesh(GPT_OSS_120B, machines(1, 4), replace(wanted, replicas=1))
    plan_mesh(GPT_OSS_120B, machines(2, 4), replace(wanted, experts=7))
    plan_mesh(GPT_OSS_120B, machines(1, 4, 42), wanted)
    with pytest.raises(DoesNotFitError):
        plan_mesh(GPT_OSS_120B, machines(1, 4, 41), wanted)


def test_expert_workers_where_there_are_devices_for_them() -> None:
    found = advice(GPT_OSS_120B, machines(1, 5), Wanted())
    assert found.startswith("5 expert workers instead of none, or ")
    plan_mesh(GPT_OSS_120B, machines(1, 5), Wanted(experts=5))


def test_on_a_cpu_dense_weights_are_as_the_file_has_them() -> None:
    """With 4 bytes each, 18 GB would not do for the weights alone and a process."""
    plan = plan_mesh(GPT_OSS_20B, machines(1, 0, 17), Wanted())
    assert (plan.value_bytes, plan.dense_bytes) == (4, 2)
    on_gpu = plan_mesh(GPT_OSS_20B, machines(1, 1, 24), Wanted(value_bytes=4))
    assert (on_gpu.value_bytes, on_gpu.dense_bytes) == (4, 4)


def test_a_laptop_is_told_of_smaller_steps() -> None:
    steps = advice(GPT_OSS_20B, machines(1, 0, 16), Wanted())
    numbers = re.match(r"max_running (\d+) and tokens_per_step (\d+), or ", steps)
    assert numbers
    engine = replace(
        Wanted().engine, max_running=int(numbers[1]), tokens_per_step=int(numbers[2]), spare_logits=8
    )
    plan_mesh(GPT_OSS_20B, machines(1, 0, 16), Wanted(engine=engine))


def test_a_limit_of_ones_own_can_be_what_is_in_the_way() -> None:
    """Expert workers of 5 GB hold 377 experts each: 13 of them are needed, or the limit's end."""
    found = advice(GPT_OSS_120B, machines(1, 3, 64), Wanted(experts=2, expert_bytes=5 * GB))
    assert found == "no limit of 5.0 GB for experts, or 4 more nodes and 14 expert workers"


def test_a_plan_that_fits_is_handed_through() -> None:
    plan = plan_mesh(GPT_OSS_120B, machines(1, 4), Wanted(experts=3))
    assert len(plan.shards) == 4
