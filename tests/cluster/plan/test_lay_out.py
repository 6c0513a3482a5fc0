"""Shards on devices: all of the model is somewhere, no device is overfull, the cache is the engine's."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from cluster.plan.hardware import Hardware, Node
from cluster.plan.lay_out import lay_out
from cluster.plan.memory import process_bytes
from cluster.plan.mesh_plan import ShardKind
from cluster.plan.stages import cut_layers, even_cut
from cluster.plan.wanted import Wanted
from model.config import GPT_OSS_20B, GPT_OSS_120B
from protos.errors import ConfigError, DoesNotFitError
from tests.cluster.plan.small_mesh import LINK, LOCAL, SMALL_STEPS, cpu, gpu, hardware
from tests.model.runner import ODD_TINY
from workers.cache.cached_pages import CacheLayout
from workers.cache.page_budget import StepSize, bytes_of_page, num_pages_for


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    st.sampled_from([1150.0, 1185.0, 1300.0, 2500.0, 4000.0]),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 5),
    st.integers(1, 2),
)
@settings(max_examples=200, deadline=None)
def test_all_of_the_model_is_there_and_no_device_is_overfull(
    gpus: list[int], memory_mb: float, attention: int, stages: int, experts: int, replicas: int
) -> None:
    where = hardware(*gpus, memory_mb=memory_mb)
    try:
        wanted = Wanted(attention, stages, experts, replicas, engine=SMALL_STEPS)
        plan = lay_out(ODD_TINY, where, wanted)
    except ConfigError:
        reject()
    assert all(plan.free_bytes(place) >= 0 for place in plan.places)
    assert [layer for stage in plan.stages for layer in stage] == list(range(5))
    pairs = sum(shard.num_pairs for shard in plan.shards)
    assert pairs == 35 * (replicas if experts else attention)
    assert len(plan.attention) == attention * stages
    assert len({shard.name for shard in plan.shards}) == len(plan.shards)
    for replica in range(attention):
        of_replica = plan.attention[replica * stages : (replica + 1) * stages]
        assert len({shard.cache_tokens for shard in of_replica}) == 1
        assert sum(len(shard.layers) for shard in of_replica) == 5
    assert 0 < plan.context_limit <= ODD_TINY.max_positions


def test_the_cache_is_what_the_engine_will_take() -> None:
    """A whole copy on its own GPU: what is left beside weights and process is what the engine finds free."""
    plan = lay_out(GPT_OSS_120B, hardware(1, memory_mb=80_000), Wanted())
    [shard] = plan.shards
    engine = plan.wanted.engine
    pages = num_pages_for(
        GPT_OSS_120B,
        CacheLayout(engine.page_size, 128, engine.checkpoint_interval),
        free_bytes=shard.place.device.memory_bytes - shard.weight_bytes - process_bytes(shard.place.device),
        bytes_per_page=bytes_of_page(GPT_OSS_120B, engine.page_size, 2),
        step=StepSize(engine.tokens_per_step, engine.most_logits),
        max_running=engine.max_running,
        share=0.9,
    )
    assert shard.cache_tokens == pages * engine.page_size > 250_000
    assert shard.kind is ShardKind.WHOLE


def test_devices_of_their_own_first_and_replicas_on_other_nodes() -> None:
    plan = lay_out(ODD_TINY, hardware(2, 2, 1), Wanted(2, 1, 3, 2, engine=SMALL_STEPS))
    assert Counter(shard.place for shard in plan.shards).most_common(1)[0][1] == 1
    assert [shard.place.node for shard in plan.attention] == ["n0", "n1"]
    assert sorted(shard.place.node for shard in plan.experts) == ["n0", "n1", "n2"]


def test_stages_stay_on_a_node_and_experts_leave_the_first_alone() -> None:
    plan = lay_out(ODD_TINY, hardware(1, 2, memory_mb=2500), Wanted(1, 2, 2, engine=SMALL_STEPS))
    first, second = plan.attention
    assert first.place.node != second.place.node  # the node of the first has no other device
    assert first.place not in {shard.place for shard in plan.experts}
    together = lay_out(ODD_TINY, hardware(2, 1), Wanted(1, 2, 1, engine=SMALL_STEPS))
    assert {shard.place.node for shard in together.attention} == {"n0"}
    assert [shard.place.node for shard in together.experts] == ["n1"]


def test_experts_can_live_in_the_memory_of_the_node() -> None:
    where = Hardware((Node("n0", cpu(80_000), (gpu(9_000),)),), LINK, LOCAL)
    plan = lay_out(GPT_OSS_120B, where, Wanted(experts=1, experts_on_gpu=False))
    assert [shard.place.device.is_gpu for shard in plan.shards] == [True, False]
    with pytest.raises(DoesNotFitError, match=r"the experts take 61\.0 GB in 1 replica; 1 expert worker on"):
        lay_out(GPT_OSS_120B, where, Wanted(experts=1))


def test_given_sizes_are_kept_to() -> None:
    wanted = Wanted(experts=2, cache_bytes=3_000_000_000, expert_bytes=6_000_000_000)
    plan = lay_out(GPT_OSS_20B, hardware(3, memory_mb=24_000), wanted)
    [attention] = plan.attention
    assert 2_990_000_000 < attention.cache_bytes <= 3_000_000_000
    assert all(shard.weight_bytes <= 6_000_000_000 for shard in plan.experts)
    with pytest.raises(DoesNotFitError, match=r"2 expert workers on 2 devices have 6\.0 GB of room"):
        lay_out(GPT_OSS_20B, hardware(3, memory_mb=24_000), replace(wanted, expert_bytes=3_000_000_000))


def test_a_cache_that_is_given_has_its_place_before_experts_do() -> None:
    wanted = Wanted(experts=1, cache_bytes=12_000_000_000)
    plan = lay_out(GPT_OSS_20B, hardware(2, memory_mb=20_000), wanted)
    assert plan.attention[0].cache_bytes > 11_990_000_000
    with pytest.raises(DoesNotFitError, match="attention-0 does not fit on small:0"):
        lay_out(GPT_OSS_20B, hardware(2, memory_mb=14_000), wanted)
    with pytest.raises(DoesNotFitError, match="the experts take"):
        lay_out(GPT_OSS_20B, hardware(1, memory_mb=22_000), wanted)


def test_what_attention_lacks_is_said() -> None:
    with pytest.raises(
        DoesNotFitError,
        match=r"attention-0 does not fit on small:0 of n0: beside 4\.3 GB of weights it takes 2\.\d GB for "
        r"itself, a step and the smallest cache; that is 1\.\d GB more than the 5\.0 GB that are there",
    ):
        lay_out(GPT_OSS_120B, hardware(1, 1, memory_mb=5_000), Wanted(experts=1))


def test_layers_are_cut_where_the_cache_is_longest() -> None:
    """A first stage that is heavy gets fewer layers; more stages than layers are refused."""

    def tokens_of(stage: int, layers: object) -> float:
        assert isinstance(layers, tuple)
        return (60 if stage == 0 else 100) / len(layers)

    cut = cut_layers(ODD_TINY, 2, tokens_of)
    assert cut == ((0, 1), (2, 3, 4))
    best = max(min(60 / first, 100 / (5 - first)) for first in range(1, 5))
    assert min(tokens_of(stage, layers) for stage, layers in enumerate(cut)) == best
    assert cut_layers(ODD_TINY, 1, tokens_of) == (tuple(range(5)),)
    assert [len(layers) for layers in cut_layers(ODD_TINY, 5, tokens_of)] == [1] * 5
    with pytest.raises(ConfigError, match="6 stages are asked for, and the model has 5 layers"):
        cut_layers(ODD_TINY, 6, tokens_of)


@pytest.mark.parametrize(("count", "sizes"), [(1, [5]), (2, [3, 2]), (3, [2, 2, 1]), (4, [2, 1, 1, 1])])
def test_without_any_knowledge_layers_are_cut_into_even_parts(count: int, sizes: list[int]) -> None:
    cut = even_cut(ODD_TINY, count)
    assert [layer for layers in cut for layer in layers] == list(range(5))
    assert [len(layers) for layers in cut] == sizes


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"attention": 0}, "0 attention workers are asked for; the least is 1"),
        ({"stages": 2}, "2 stages and 1 replicas need expert workers, and there are none"),
        ({"experts": 1, "replicas": 2}, "2 replicas of every expert need as many expert workers, and 1"),
    ],
)
def test_wishes_that_contradict_themselves_are_refused(wanted: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Wanted(**wanted)  # type: ignore[arg-type]  # mypy takes the counts for any of the fields
