"""A model whose experts are in other processes gives the bits of the whole one, whoever hosts or dies."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.checkpoint import Checkpoint
from model.checkpoint.fingerprint import fingerprint
from model.generate import generate
from model.local_model import LocalModel
from model.page_pool import PagePool
from model.pages import SequencePages
from model.sampling.parameters import SamplingParameters
from model.step_batch import LogitsWanted, SequenceChunk, StepBatch
from router.dispatch_frames import CombineMode
from router.exchange import Exchange, ExchangeSettings
from router.placement import LayerToExperts, Placement
from router.remote_experts import RemoteExperts, RemoteExpertsSettings
from router.topology import Topology
from tests.model.runner import ODD_TINY, load_float32, write_tiny
from tests.workers.experts.processes import ExpertProcess, addresses_of

pytestmark = pytest.mark.xdist_group("processes")  # one after the other: each wants the machine

CONFIG = ODD_TINY
LAYERS, EXPERTS = range(CONFIG.num_layers), tuple(range(CONFIG.num_experts))
EVERYTHING: LayerToExperts = dict.fromkeys(LAYERS, EXPERTS)
NAMES = ("w0", "w1", "w2", "w3")
PROMPTS = [[(7 * position + 3) % CONFIG.vocab_size for position in range(length)] for length in (37, 5)]
SAMPLING = SamplingParameters(temperature=0.8, seed=11)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny(CONFIG, folder)
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> LocalModel:
    return LocalModel.of(*load_float32(folder), deterministic=True)


@pytest.fixture(scope="module")
def processes(folder: Path) -> Iterator[Sequence[ExpertProcess]]:
    """Four, each with every expert: a placement says which of them it is asked for."""
    with ExitStack() as stack:
        started = [ExpertProcess(folder, name) for name in NAMES]
        for process in started:
            stack.callback(process.close)
        for process in started:
            process.load(EVERYTHING)
        yield started


class Mesh:
    """The whole model's attention, and an exchange with the workers."""

    def __init__(self, whole: LocalModel, folder: Path, settings: ExchangeSettings | None = None) -> None:
        self.exchange = Exchange(settings or ExchangeSettings(), model=fingerprint(Checkpoint.open(folder)))
        self._whole = whole
        self._epoch = 0

    def update(self, held: Mapping[str, LayerToExperts], addresses: Mapping[str, str]) -> None:
        self._epoch += 1
        placement = Placement.of(
            self._epoch, held, num_layers=CONFIG.num_layers, num_experts=CONFIG.num_experts
        )
        assert placement.is_whole
        self.exchange.update(Topology(placement, {name: addresses[name] for name in held}))

    def model(self, settings: RemoteExpertsSettings | None = None) -> LocalModel:
        experts = RemoteExperts(self.exchange, "attention-0", settings or RemoteExpertsSettings())
        return LocalModel.of(CONFIG, self._whole.weights, deterministic=True, experts=experts)


@pytest.fixture
def mesh(whole: LocalModel, folder: Path) -> Iterator[Mesh]:
    mesh = Mesh(whole, folder)
    yield mesh
    mesh.exchange.close()


def logits_of(model: LocalModel) -> Tensor:
    """Of two sequences in one step. [tokens of both, vocab]"""
    pool, cache = PagePool(80), model.allocate_cache(80, 16)
    chunks = []
    for prompt in PROMPTS:
        pages = SequencePages(pool, 16, CONFIG.sliding_window)
        pages.make_room(len(prompt))
        chunks.append(SequenceChunk(prompt, 0, pages, LogitsWanted.ALL))
    return model.forward_pass.forward(StepBatch.build(chunks), cache)


def tokens_of(model: LocalModel, count: int) -> list[int]:
    return list(generate(model, PROMPTS[0], SAMPLING, count))


def dealt(names: Sequence[str], seed: int, num_replicas: int = 1) -> Mapping[str, LayerToExperts]:
    """Experts dealt out by chance, unevenly, otherwise in every layer; the workers in any order."""
    chance = random.Random(seed)
    held: dict[str, dict[int, list[int]]] = {name: {} for name in chance.sample(names, len(names))}
    for layer in LAYERS:
        for expert in EXPERTS:
            for name in chance.sample(names, num_replicas):
                held[name].setdefault(layer, []).append(expert)
    return {
        name: {layer: tuple(experts) for layer, experts in layers.items()} for name, layers in held.items()
    }


PLACEMENTS = {
    "one worker": dealt(NAMES[:1], 0),
    "two workers": dealt(NAMES[:2], 1),
    "three workers": dealt(NAMES[:3], 2),
    "four workers": dealt(NAMES, 3),
    "four workers, permuted": dealt(NAMES[::-1], 4),
    "one has next to nothing": {
        "w1": {**EVERYTHING, 2: (0, 1, 2, 4, 5, 6)}, "w3": {2: (3,)},
    },
    "two replicas on three": dealt(NAMES[:3], 5, num_replicas=2),
    "everything everywhere": dict.fromkeys(NAMES, EVERYTHING),
}  # fmt: skip


@pytest.mark.parametrize("held", PLACEMENTS.values(), ids=PLACEMENTS.keys())
def test_logits_and_tokens_are_those_of_one_process_to_the_last_bit(
    whole: LocalModel, mesh: Mesh, processes: Sequence[ExpertProcess], held: Mapping[str, LayerToExperts]
) -> None:
    mesh.update(held, addresses_of(processes))
    remote = mesh.model()
    assert torch.equal(logits_of(remote), logits_of(whole))
    assert tokens_of(remote, 12) == tokens_of(whole, 12)
    statistics = mesh.exchange.statistics
    assert (statistics.num_resent, statistics.num_stale, statistics.num_lanes_lost) == (0, 0, 0)


def test_experts_may_move_in_the_middle_of_an_answer(
    whole: LocalModel, mesh: Mesh, processes: Sequence[ExpertProcess]
) -> None:
    addresses = addresses_of(processes)
    mesh.update(dealt(NAMES, 0), addresses)
    found = []
    for number, token in enumerate(generate(mesh.model(), PROMPTS[0], SAMPLING, 40)):
        found.append(token)
        mesh.update(dealt(NAMES[number % 3 :], number, num_replicas=1 + number % 2), addresses)
    assert found == tokens_of(whole, 40)


@pytest.mark.parametrize(
    ("settings", "bound"),
    [
        (RemoteExpertsSettings(combine=CombineMode.REDUCED), 1e-6),
        (RemoteExpertsSettings(mxfp8=True), 0.1),
        (RemoteExpertsSettings(combine=CombineMode.REDUCED, mxfp8=True), 0.1),
    ],
    ids=["reduced", "mxfp8", "reduced and mxfp8"],
)
def test_the_other_ways_to_send_rows_are_near(
    whole: LocalModel,
    mesh: Mesh,
    processes: Sequence[ExpertProcess],
    settings: RemoteExpertsSettings,
    bound: float,
) -> None:
    """Of the logits' own size: float32 rounds at 6e-8, and E4M3 errs by a sixteenth at most."""
    mesh.update(dealt(NAMES[:3], 6), addresses_of(processes))
    expected = logits_of(whole)
    error = ((logits_of(mesh.model(settings)) - expected).norm() / expected.norm()).item()
    assert 0 < error < bound, error


class Watched:
    """Generates on a thread of its own, and notes when each token came."""

    def __init__(self, model: LocalModel, count: int) -> None:
        self.tokens: list[int] = []
        self.moments = [time.monotonic()]
        self._model = model
        self._count = count
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for token in generate(self._model, PROMPTS[0], SAMPLING, self._count):
            self.tokens.append(token)
            self.moments.append(time.monotonic())

    def wait_for_token(self, number: int) -> None:
        wait_for(lambda: len(self.tokens) > number)

    def join(self) -> list[int]:
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.tokens

    @property
    def longest_gap_s(self) -> float:
        return max(later - earlier for earlier, later in zip(self.moments, self.moments[1:], strict=False))


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.001)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_worker_killed_at_any_moment_stops_nothing_for_a_second_if_it_has_a_replica(
    whole: LocalModel, mesh: Mesh, folder: Path, processes: Sequence[ExpertProcess], seed: int
) -> None:
    victim = ExpertProcess(folder, "victim")
    victim.load(EVERYTHING)
    addresses = {**addresses_of(processes), "victim": victim.address}
    mesh.update({"victim": EVERYTHING, "w0": EVERYTHING}, addresses)
    answer = Watched(mesh.model(), 120)
    chance = random.Random(seed)
    answer.wait_for_token(chance.randrange(10, 60))
    time.sleep(chance.random() / 100)  # any moment of a step
    victim.kill()
    assert answer.join() == tokens_of(whole, 120)
    assert answer.longest_gap_s < 1.0
    assert mesh.exchange.statistics.num_lanes_lost == 1


def test_a_worker_killed_without_a_replica_is_waited_for_until_it_is_back_and_loaded(
    whole: LocalModel, mesh: Mesh, folder: Path, processes: Sequence[ExpertProcess]
) -> None:
    held: dict[str, LayerToExperts] = {
        "victim": dict.fromkeys(LAYERS, EXPERTS[2:5]),
        "w0": dict.fromkeys(LAYERS, (0, 1, 5, 6)),
    }
    victim = ExpertProcess(folder, "victim")
    victim.load(held["victim"])
    mesh.update(held, {**addresses_of(processes), "victim": victim.address})
    answer = Watched(mesh.model(), 60)
    answer.wait_for_token(20)
    port = victim.port
    victim.kill()
    again = ExpertProcess(folder, "victim", port)
    try:
        assert again.port == port  # it listens, empty, and refuses what it is asked for
        wait_for(lambda: mesh.exchange.statistics.num_stale > 0)
        again.load(held["victim"])
        assert answer.join() == tokens_of(whole, 60)
    finally:
        again.close()


def test_a_worker_killed_without_a_replica_is_replaced_by_a_new_topology(
    whole: LocalModel, mesh: Mesh, folder: Path, processes: Sequence[ExpertProcess]
) -> None:
    victim = ExpertProcess(folder, "victim")
    victim.load(EVERYTHING)
    addresses = {**addresses_of(processes), "victim": victim.address}
    mesh.update({"victim": EVERYTHING}, addresses)
    answer = Watched(mesh.model(), 60)
    answer.wait_for_token(20)
    victim.kill()
    mesh.update(dealt(NAMES[1:], 7), addresses)
    assert answer.join() == tokens_of(whole, 60)
    assert answer.longest_gap_s < 1.0
