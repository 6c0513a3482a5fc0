"""The machine: devices, the compiler, shared memory, ports."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cluster.config.config_file import parse_config
from cluster.cores import num_cores
from cluster.doctor.finding import State
from cluster.doctor.machine import check_compiler, check_devices, check_ports, check_shared_memory
from kernels.cpu.settings import CpuKernelSettings, CpuPath


def test_devices_are_counted() -> None:
    finding = check_devices(None)
    assert finding.state is State.OK
    assert finding.found.startswith(f"{num_cores()} cores")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_wanted_and_not_there_is_wrong() -> None:
    finding = check_devices("cuda:1")
    assert finding.state is State.WRONG
    assert finding.found == "engine.device is cuda:1, and this PyTorch sees no GPU"


def test_kernels_are_built_or_it_is_said_why_not(tmp_path: Path) -> None:
    assert check_compiler(CpuKernelSettings()).state is State.OK
    finding = check_compiler(CpuKernelSettings(cache=tmp_path, compiler="no-such-compiler"))
    assert finding.state is State.WARNING
    assert "looked for no-such-compiler" in finding.found
    assert "g++" in (finding.remedy or "")
    assert check_compiler(CpuKernelSettings(path=CpuPath.REFERENCE)).state is State.WARNING


def test_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_shared_memory(tmp_path / "absent").state is State.WARNING
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=16_000, f_frsize=4096))
    finding = check_shared_memory()
    assert finding.state is State.WARNING
    assert finding.found == "/dev/shm has 66 MB free, and Ray wants 134"
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=1_000_000, f_frsize=4096))
    assert check_shared_memory().state is State.OK


def test_ports_that_are_taken_are_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        free: Mapping[str, object] = {"gateway": {"http_port": 0, "grpc_port": 0}}
        finding = check_ports(parse_config({"model": "m", "gateway": {"grpc_port": port}}, "test"))
        assert finding.state is State.WARNING
        assert f"gateway.grpc_port {port}" in finding.found
    open_ports = {"model": "m", **free, "cluster": {"controller": {"port": 0}}}
    assert check_ports(parse_config(open_ports, "test")).state is State.OK
