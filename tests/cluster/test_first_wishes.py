"""What a mesh begins with, from a configuration and a real, tiny model."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from cluster.config.config import Config
from cluster.config.config_file import parse_config
from cluster.controller.fleet import WorkerSpec
from cluster.controller.wishes import Wishes
from cluster.first_wishes import first_wishes, mesh_shape
from protos.errors import DoesNotFitError
from tests.workers.engine.tiny_engine import SPOKEN
from workers.membership.members import WorkerKind


def config_of(folder: Path, cluster: Mapping[str, object]) -> Config:
    return parse_config({"model": str(folder), "cluster": cluster}, "test")


def test_without_a_limit_a_worker_has_room_for_all_experts(spoken_folder: Path) -> None:
    shape = mesh_shape(config_of(spoken_folder, {}), spoken_folder)
    assert (shape.num_layers, shape.num_experts) == (SPOKEN.num_layers, SPOKEN.num_experts)
    assert shape.slots_of_worker == SPOKEN.num_layers * SPOKEN.num_experts


def test_memory_is_counted_in_experts(spoken_folder: Path) -> None:
    """An expert of the tiny model takes some 35 kB."""
    experts = {"workers": 2, "memory_gb": 0.0008}
    assert (
        20 <= mesh_shape(config_of(spoken_folder, {"experts": experts}), spoken_folder).slots_of_worker <= 25
    )


@pytest.mark.parametrize("replicas", [1, 2])
def test_what_does_not_fit_is_said_before_anything_begins(spoken_folder: Path, replicas: int) -> None:
    experts = {"workers": 2, "memory_gb": 0.0004 * replicas, "replicas": replicas}
    with pytest.raises(DoesNotFitError):
        mesh_shape(config_of(spoken_folder, {"experts": experts}), spoken_folder)


def test_workers_are_those_of_the_configuration(spoken_folder: Path) -> None:
    cluster = {"attention": {"replicas": 2, "stages": 2}, "experts": {"workers": 3, "replicas": 2}}
    wishes = first_wishes(config_of(spoken_folder, cluster), ((0, 1), (2, 3, 4)))
    assert wishes == Wishes(2, 3, 2, ((0, 1), (2, 3, 4)))
    assert wishes.specs()["attention-1"] == WorkerSpec(
        "attention-1", WorkerKind.ATTENTION, (0, 1), ("attention-1-stage-1",)
    )
    assert wishes.specs()["attention-1-stage-1"] == WorkerSpec(
        "attention-1-stage-1", WorkerKind.STAGE, (2, 3, 4)
    )


def test_one_stage_is_no_cut(spoken_folder: Path) -> None:
    assert first_wishes(config_of(spoken_folder, {}), ((0, 1, 2),)).stages == ()
