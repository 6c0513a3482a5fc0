"""What workers ask of Ray, for meshes with GPUs that this machine does not have."""

from collections.abc import Mapping

import pytest

from cluster.config.config import Config
from cluster.config.config_file import parse_config
from cluster.ray.needs import check_gpus, needs_of, num_gpus_wanted, num_threads, with_devices
from protos.errors import ConfigError
from workers.membership.members import WorkerKind


def config_of(**sections: Mapping[str, object]) -> Config:
    return parse_config({"model": "m", **sections}, "test")


def devices(config: Config) -> tuple[str | None, str | None]:
    return config.engine.device, config.cluster.experts.device


@pytest.mark.parametrize(
    ("num_gpus", "expected"),
    [
        (0, ("cpu", "cpu")),
        (1, ("cpu", "cpu")),
        (2, ("cuda", "cpu")),
        (4, ("cuda", "cpu")),
        (5, ("cuda", "cuda")),
    ],
)
def test_attention_workers_come_first(num_gpus: int, expected: tuple[str, str]) -> None:
    config = config_of(cluster={"attention": {"replicas": 2}, "experts": {"workers": 3}})
    assert devices(with_devices(config, num_gpus)) == expected


def test_every_stage_wants_a_gpu() -> None:
    config = config_of(cluster={"attention": {"replicas": 2, "stages": 2}})
    assert devices(with_devices(config, 3)) == ("cpu", "cuda")
    assert devices(with_devices(config, 4)) == ("cuda", "cpu")


def test_what_is_configured_stands() -> None:
    config = config_of(engine={"device": "cuda"}, cluster={"experts": {"device": "cpu"}})
    assert devices(with_devices(config, 0)) == ("cuda", "cpu")
    config = config_of(engine={"device": "cpu"}, cluster={"experts": {"workers": 3}})
    assert devices(with_devices(config, 3)) == ("cpu", "cuda")


def test_a_numbered_gpu_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"engine.device is cuda:1, .* write cuda"):
        with_devices(config_of(engine={"device": "cuda:1"}), 2)


def test_a_worker_on_a_gpu_reserves_it() -> None:
    config = config_of(engine={"device": "cpu"}, cluster={"experts": {"device": "cuda"}})
    assert needs_of(config, WorkerKind.EXPERT).resources == {"CPU": 0.01, "GPU": 1}
    assert needs_of(config, WorkerKind.ATTENTION).resources == {"CPU": 0.01}
    assert needs_of(config, WorkerKind.STAGE).resources == {"CPU": 0.01}


def test_gpus_are_counted_by_worker() -> None:
    cluster = {"attention": {"replicas": 2, "stages": 3}, "experts": {"workers": 5, "device": "cuda"}}
    assert num_gpus_wanted(config_of(engine={"device": "cuda"}, cluster=cluster)) == 11
    assert num_gpus_wanted(config_of(engine={"device": "cpu"}, cluster=cluster)) == 5


def test_more_workers_than_gpus_are_refused() -> None:
    config = with_devices(config_of(engine={"device": "cuda"}, cluster={"experts": {"workers": 3}}), 0)
    with pytest.raises(ConfigError, match=r"engine.device is cuda .* so 1 worker .* finds 0 GPUs here"):
        check_gpus(config, 0)
    check_gpus(config, 1)
    check_gpus(with_devices(config_of(), 0), 0)


def test_threads_share_the_cores() -> None:
    config = config_of(cluster={"attention": {"replicas": 1, "stages": 2}, "experts": {"workers": 3}})
    assert num_threads(config, WorkerKind.EXPERT, num_cores=16, num_nodes=1) == 3
    assert num_threads(config, WorkerKind.STAGE, num_cores=16, num_nodes=3) == 9
    assert num_threads(config, WorkerKind.ATTENTION, num_cores=2, num_nodes=1) == 1


def test_threads_may_be_said() -> None:
    config = config_of(cluster={"attention": {"threads": 7}, "experts": {"threads": 5}})
    assert num_threads(config, WorkerKind.EXPERT, num_cores=16, num_nodes=1) == 5
    assert num_threads(config, WorkerKind.STAGE, num_cores=16, num_nodes=1) == 7
