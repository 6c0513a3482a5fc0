"""Times by hand: bytes over bandwidth, operations over speed, round trips over the link."""

from dataclasses import replace

import pytest

from cluster.plan.footprint import Footprint
from cluster.plan.hardware import Device
from cluster.plan.lay_out import lay_out
from cluster.plan.mesh_plan import MeshPlan
from cluster.plan.roofline import most_sequences, step_time
from cluster.plan.wanted import Wanted
from cluster.plan.wire import TokenTraffic, activated_experts
from tests.cluster.plan.small_mesh import LINK, LOCAL, SMALL_STEPS, hardware
from tests.model.runner import ODD_TINY

FOOTPRINT = Footprint(ODD_TINY)
CONTEXT = 50


def plan_of(wanted: Wanted, *gpus: int) -> MeshPlan:
    return lay_out(ODD_TINY, hardware(*gpus), replace(wanted, engine=SMALL_STEPS))


def cache_bytes(context: int) -> int:
    """ODD_TINY has three full layers and two that see 20 positions."""
    return (3 * context + 2 * min(context, 20)) * 2 * ODD_TINY.kv_width * 2


def test_a_whole_copy_reads_its_weights_its_cache_and_the_experts_that_are_visited() -> None:
    time = step_time(plan_of(Wanted(), 1), 3, CONTEXT)
    dense = 5 * FOOTPRINT.attention_layer + FOOTPRINT.unembedding
    assert time.attention_s == pytest.approx((dense + 3 * cache_bytes(CONTEXT)) / 1e9)
    assert time.experts_s == pytest.approx(5 * activated_experts(ODD_TINY, 3) * FOOTPRINT.expert / 1e9)
    assert time.wire_s == 0.0
    assert time.step_s == time.attention_s + time.experts_s
    assert time.tokens_per_s == 3 / time.step_s


def test_a_large_batch_is_bound_by_operations() -> None:
    slow = Device("small", 10**10, 1e12, 1e9)
    plan = plan_of(Wanted(), 1)
    places = tuple(replace(shard, place=replace(shard.place, device=slow)) for shard in plan.shards)
    time = step_time(replace(plan, shards=places), 100, CONTEXT)
    assert time.experts_s == pytest.approx(5 * 100 * 4 * 6 * 96 * 160 / 1e9)
    dense = 2 * 100 * (5 * FOOTPRINT.attention_layer + FOOTPRINT.unembedding) / 2
    scores = 4 * 100 * (3 * CONTEXT + 2 * 20) * ODD_TINY.query_width
    assert time.attention_s == pytest.approx((dense + scores) / 1e9)


@pytest.mark.parametrize(("gpus", "link"), [((3,), LOCAL), ((2, 1), LINK)])
def test_a_mesh_pays_a_round_trip_a_layer(gpus: tuple[int, ...], link: object) -> None:
    plan = plan_of(Wanted(experts=2), *gpus)
    time = step_time(plan, 6, CONTEXT)
    assert link in (LOCAL, LINK)
    joined = LOCAL if link is LOCAL else LINK
    exact = TokenTraffic.of(ODD_TINY, 2).exact
    assert time.wire_s == pytest.approx(5 * (joined.round_trip_s + 6 * exact / joined.bandwidth))
    most = max(shard.num_pairs for shard in plan.experts)
    activated = activated_experts(ODD_TINY, 6) * most / 7
    assert time.experts_s == pytest.approx(activated * FOOTPRINT.expert / 1e9)


def test_workers_that_share_experts_wait_for_them() -> None:
    """With a link that costs nothing, three attention workers keep one expert worker busy all the time."""
    plan = plan_of(Wanted(attention=3, experts=1), 4)
    free = replace(plan.hardware, local=replace(LOCAL, round_trip_s=0.0, bandwidth=1e18))
    time = step_time(replace(plan, hardware=free), 30, CONTEXT)
    assert time.is_waiting
    assert time.step_s == pytest.approx(3 * time.experts_s)
    assert not step_time(replace(plan, hardware=free), 1, CONTEXT).is_waiting


def test_replicas_share_the_visits() -> None:
    one = step_time(plan_of(Wanted(experts=2), 3), 4, CONTEXT)
    two = step_time(plan_of(Wanted(experts=2, replicas=2), 3), 4, CONTEXT)
    assert two.experts_s == pytest.approx(one.experts_s, rel=0.05)  # 18 and 17 pairs, or half of 35 each


def test_stages_add_round_trips() -> None:
    one, two = plan_of(Wanted(experts=1), 3), plan_of(Wanted(stages=2, experts=1), 3)
    more = step_time(two, 2, CONTEXT).wire_s - step_time(one, 2, CONTEXT).wire_s
    assert more == pytest.approx(LOCAL.round_trip_s + 2 * 2 * 96 * 2 / LOCAL.bandwidth)


def test_so_many_sequences_fit() -> None:
    plan = plan_of(Wanted(attention=2), 2)
    assert plan.cache_tokens == sum(shard.cache_tokens for shard in plan.shards)
    assert most_sequences(plan, CONTEXT) == plan.cache_tokens // (CONTEXT + 24)
