"""Does it fit: a whole copy, or all workers, on given hardware."""

from dataclasses import replace
from pathlib import Path

from cluster.config.config_file import parse_config
from cluster.doctor.finding import State
from cluster.doctor.room import check_room
from cluster.plan.catalogue import GB, LINKS, cpu_of, gpu_named, uniform
from cluster.plan.hardware import Hardware
from model.config import GPT_OSS_20B
from model.config.config_writer import hugging_face_document, write_config


def machine(memory_gb: int, *gpus: str) -> Hardware:
    return uniform(1, tuple(map(gpu_named, gpus)), cpu_of(memory_gb * GB), LINKS["10gbe"])


def test_the_20b_fits_a_gpu_and_not_a_small_machine(tmp_path: Path) -> None:
    write_config(tmp_path, hugging_face_document(GPT_OSS_20B))
    config = parse_config({"model": str(tmp_path)}, "test")
    fits = check_room(tmp_path, config, is_cluster=False, hardware=machine(64, "H100"))
    assert fits.state is State.OK
    assert fits.found.startswith("needs 1")
    small = check_room(tmp_path, config, is_cluster=False, hardware=machine(16))
    assert small.state is State.WRONG
    assert "does not fit on cpu of node-0" in small.found
    little = replace(machine(64), nodes=machine(64, "RTX-4090").nodes)
    assert check_room(tmp_path, config, is_cluster=True, hardware=little).state is State.OK


def test_this_machine_has_room_for_a_tiny_model(spoken_folder: Path) -> None:
    config = parse_config({"model": str(spoken_folder), "engine": {"device": "cpu"}}, "test")
    for is_cluster in (False, True):
        finding = check_room(spoken_folder, config, is_cluster=is_cluster)
        assert finding.state is not State.WRONG, finding
