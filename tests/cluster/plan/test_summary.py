"""A plan in one sentence: what `expertmesh serve` says before it begins anything."""

from cluster.plan.planner import plan_mesh
from cluster.plan.summary import summary
from cluster.plan.wanted import Wanted
from model.config import GPT_OSS_20B
from tests.cluster.plan.small_mesh import SMALL_STEPS, hardware
from tests.model.runner import ODD_TINY


def test_it_says_what_is_where_and_how_long_the_cache_is() -> None:
    wanted = Wanted(attention=2, stages=2, experts=3, replicas=2, engine=SMALL_STEPS)
    plan = plan_mesh(ODD_TINY, hardware(3, 2, 4, memory_mb=1200), wanted)
    assert summary(plan) == (
        f"1.2 MB in bfloat16: 7 x small on 3 nodes; 2 attention workers of 2 stages, 3 expert workers, "
        f"every expert on 2 of them; the cache holds {plan.cache_tokens:,} tokens"
    )


def test_a_whole_copy_has_no_expert_workers() -> None:
    plan = plan_mesh(GPT_OSS_20B, hardware(1, memory_mb=40_000), Wanted(engine=SMALL_STEPS))
    assert summary(plan).startswith(
        "13.8 GB in bfloat16: 1 x small on 1 node; 1 whole copy; the cache holds "
    )
