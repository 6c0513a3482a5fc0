"""An exchange with scripted workers, and what its dispatches must give: for tests of the exchange's parts."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor

from kernels.route import Routing
from router.exchange import Exchange, ExchangeSettings
from router.placement import Placement
from router.remote_experts import RemoteExperts, RemoteExpertsSettings
from router.topology import Topology
from tests.router.scripted_worker import (
    HIDDEN,
    MAX_FRAME_BYTES,
    PATIENCE_S,
    ScriptedWorker,
    expert_rows,
    wait_for,
)

NUM_LAYERS, NUM_EXPERTS, NUM_TOKENS, TOP_K = 2, 7, 6, 3
ALL = tuple(range(NUM_EXPERTS))
SETTINGS = ExchangeSettings(
    frame_deadline_s=10.0, recovery_s=PATIENCE_S, max_frame_bytes=MAX_FRAME_BYTES, hedge=None
)


class Mesh:
    """Scripted workers, and an exchange that knows them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.workers: dict[str, ScriptedWorker] = {}
        self.epoch = 0

    def add(self, name: str, **options: object) -> ScriptedWorker:
        worker = self.workers[name] = ScriptedWorker(name, **options)  # type: ignore[arg-type]
        self._stack.callback(worker.stop)
        return worker

    def topology(self, held: Mapping[str, Sequence[int]], epoch: int | None = None) -> Topology:
        self.epoch = self.epoch + 1 if epoch is None else epoch
        layers = {
            worker: dict.fromkeys(range(NUM_LAYERS), tuple(experts)) for worker, experts in held.items()
        }
        placement = Placement.of(self.epoch, layers, num_layers=NUM_LAYERS, num_experts=NUM_EXPERTS)
        return Topology(
            placement, {name: self.workers[name].address for name in held if name in self.workers}
        )

    def exchange(
        self,
        held: Mapping[str, Sequence[int]] | None,
        settings: ExchangeSettings = SETTINGS,
        local: str | None = None,
    ) -> Exchange:
        exchange = Exchange(settings, model="model", arithmetic="arithmetic", local=local)
        self._stack.callback(exchange.close)
        if held is not None:
            exchange.update(self.topology(held))
            reachable = {name for name in held if name in self.workers}
            wait_for(lambda: pump(exchange) >= reachable)
        return exchange


def pump(exchange: Exchange) -> set[str]:
    """Takes up what lanes have said; -> the workers that can be asked."""
    exchange.listen()
    return set(exchange.peers.table.usable)


def routing_of(num_tokens: int, seed: int = 1) -> Routing:
    generator = torch.Generator().manual_seed(seed)
    ids = [torch.randperm(NUM_EXPERTS, generator=generator)[:TOP_K] for _ in range(num_tokens)]
    return Routing(torch.stack(ids), torch.rand(num_tokens, TOP_K, generator=generator))


def activations(num_tokens: int = NUM_TOKENS) -> Tensor:
    return torch.randn(num_tokens, HIDDEN, generator=torch.Generator().manual_seed(num_tokens))


def expected(x: Tensor, routing: Routing, layer: int = 1) -> Tensor:
    """Slot by slot, in float32, without any router."""
    total = np.zeros(tuple(x.shape), np.float32)
    for slot in range(TOP_K):
        rows = expert_rows(layer, routing.expert_ids[:, slot].numpy(), x.numpy())
        weighted = rows * routing.weights[:, slot, None].numpy()
        total = weighted if slot == 0 else total + weighted
    return torch.from_numpy(total)


def run(exchange: Exchange, num_tokens: int = NUM_TOKENS, *, layer: int = 1) -> None:
    """One dispatch, whose sum has the bits that it must have."""
    x, routing = activations(num_tokens), routing_of(num_tokens)
    found = remote(exchange)(layer, x, routing)
    assert torch.equal(found, expected(x, routing, layer))


def remote(exchange: Exchange, **settings: object) -> RemoteExperts:
    return RemoteExperts(exchange, "attention-0", RemoteExpertsSettings(**settings))  # type: ignore[arg-type]


SPLIT = {"a": (0, 2, 4, 6), "b": (1, 3, 5)}
REPLICAS = {"a": ALL, "b": ALL}


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """Runs beside the body, and must then come to its end without an error."""
    errors: list[BaseException] = []

    def run_and_tell() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run_and_tell)
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE_S)
    assert not thread.is_alive(), "it did not end"
    if errors:
        raise errors[0]
