"""Bytes of weights, against what the checkpoint's reader counts."""

from pathlib import Path

import pytest

from cluster.plan.footprint import Footprint
from cluster.plan.lay_out import lay_out
from cluster.plan.mesh_plan import ShardKind
from cluster.plan.wanted import Wanted
from model.checkpoint import Checkpoint
from model.config import GPT_OSS_20B, GPT_OSS_120B, ModelConfig
from model.weights import Selection
from router.expert_host import ExpertHost
from router.spread import spread
from tests.cluster.plan.small_mesh import SMALL_STEPS, hardware
from tests.model.runner import ODD_TINY, write_tiny


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder: Path = tmp_path_factory.mktemp("tiny")
    write_tiny(ODD_TINY, folder)
    return Checkpoint.open(folder)


def test_every_slice_takes_what_the_checkpoint_says(checkpoint: Checkpoint) -> None:
    footprint = Footprint(ODD_TINY)
    assert footprint.whole == checkpoint.num_bytes(Selection.whole(ODD_TINY))
    assert footprint.attention((1, 3, 4), ends=False) == checkpoint.num_bytes(Selection((1, 3, 4)))
    ends = Selection((0,), embedding=True, unembedding=True)
    assert footprint.attention((0,), ends=True) == checkpoint.num_bytes(ends)
    assert 3 * footprint.expert == checkpoint.num_bytes(Selection(layer_to_experts={1: (2, 5), 4: (0,)}))


def test_the_shards_of_a_plan_take_what_the_checkpoint_says_and_nothing_is_left_out(
    checkpoint: Checkpoint,
) -> None:
    plan = lay_out(ODD_TINY, hardware(3, 2), Wanted(stages=2, experts=3, engine=SMALL_STEPS))
    placement = spread(
        [ExpertHost(shard.name, shard.place.node, shard.num_pairs) for shard in plan.experts],
        num_layers=ODD_TINY.num_layers,
        num_experts=ODD_TINY.num_experts,
    )
    for shard in plan.shards:
        is_first = shard.kind is ShardKind.ATTENTION
        selection = Selection(
            attention_layers=shard.layers,
            layer_to_experts=placement.experts_of(shard.name),
            embedding=is_first,
            unembedding=is_first,
        )
        assert shard.weight_bytes == checkpoint.num_bytes(selection), shard.name
    total = sum(shard.weight_bytes for shard in plan.shards)
    assert total == checkpoint.num_bytes(Selection.whole(ODD_TINY))


@pytest.mark.parametrize(("config", "gibibytes"), [(GPT_OSS_20B, 12.82), (GPT_OSS_120B, 60.77)])
def test_the_released_models_have_the_size_of_their_files(config: ModelConfig, gibibytes: float) -> None:
    assert Footprint(config).whole / (1 << 30) == pytest.approx(gibibytes, abs=0.005)
    assert Footprint(config).expert == 13_236_480


def test_float32_doubles_what_is_dense_and_leaves_experts_packed() -> None:
    packed, wide = Footprint(ODD_TINY), Footprint(ODD_TINY, 4)
    assert wide.expert == packed.expert
    assert wide.attention((2, 3), ends=True) == 2 * packed.attention((2, 3), ends=True)
    assert wide.unembedding == 211 * 96 * 4
