"""The experts of a mesh give what local ones give; in MXFP8 too, rows do not depend on who is where."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from kernels.route import Routing
from model.experts import LocalExperts
from router.exchange import Exchange, ExchangeSettings
from router.placement import Placement
from router.remote_experts import RemoteExperts, RemoteExpertsSettings
from router.topology import Topology
from tests.model.tiny_model import TINY
from tests.workers.experts.shards import WHOLE, load, shard_of, worker_of
from workers.experts.service import ExpertServer

ALL = tuple(range(TINY.num_experts))
LAYER = 3


@pytest.fixture(scope="module")
def server() -> Iterator[ExpertServer]:
    server = ExpertServer(worker_of(WHOLE), "127.0.0.1")
    server.start()
    yield server
    server.stop()


@contextmanager
def exchange_of(server: ExpertServer, here: tuple[int, ...]) -> Iterator[Exchange]:
    """Some experts are in this process, the others remote."""
    exchange = Exchange(ExchangeSettings(max_frame_bytes=1 << 20, recovery_s=20), model="tiny", local="here")
    there = tuple(expert for expert in ALL if expert not in here)
    held = {"here": {LAYER: here}, "expert-0": {LAYER: there}}
    placement = Placement.of(1, held, num_layers=TINY.num_layers, num_experts=TINY.num_experts)
    exchange.update(Topology(placement, {"expert-0": server.address}))
    try:
        yield exchange
    finally:
        exchange.close()


def experts_of(exchange: Exchange, **settings: object) -> RemoteExperts:
    made = RemoteExpertsSettings(**settings)  # type: ignore[arg-type]
    return RemoteExperts(exchange, "attention-0", made, shard_of(WHOLE))


def work(num_tokens: int, dtype: torch.dtype) -> tuple[Tensor, Routing]:
    ids = torch.stack([torch.randperm(TINY.num_experts)[:4] for _ in range(num_tokens)])
    return torch.randn(num_tokens, TINY.hidden_size).to(dtype), Routing(ids, torch.rand(num_tokens, 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("here", [(), (1, 4, 5), ALL], ids=["all remote", "some here", "all here"])
def test_exact_rows_are_summed_as_in_one_process(
    server: ExpertServer, dtype: torch.dtype, here: tuple[int, ...]
) -> None:
    x, routing = work(9, dtype)
    expected = LocalExperts(load(WHOLE), TINY.swiglu_limit, None)(LAYER, x, routing)
    with exchange_of(server, here) as exchange:
        assert torch.equal(experts_of(exchange)(LAYER, x, routing), expected)


def test_mxfp8_rows_are_the_same_bits_wherever_they_are_computed(server: ExpertServer) -> None:
    x, routing = work(9, torch.float32)
    found = []
    for here in ((), (1, 4, 5), ALL):
        with exchange_of(server, here) as exchange:
            found.append(experts_of(exchange, mxfp8=True)(LAYER, x, routing))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_no_frame_is_longer_than_it_may_be_and_the_smaller_limit_counts(server: ExpertServer) -> None:
    x, routing = work(60, torch.float32)
    expected = LocalExperts(load(WHOLE), TINY.swiglu_limit, None)(LAYER, x, routing)
    limit = 4096 + 10 * (4 * TINY.hidden_size + 12)
    with exchange_of(server, ()) as exchange:
        found = experts_of(exchange, max_frame_bytes=limit)(LAYER, x, routing)
        assert torch.equal(found, expected)
        assert exchange.statistics.num_frames == 60 * 4 / 10
        assert exchange.statistics.bytes_sent <= limit * 24
