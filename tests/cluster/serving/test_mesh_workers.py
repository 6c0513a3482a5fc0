"""Which workers of a mesh a gateway uses: those that are there, serve, and have its model."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from cluster.serving.mesh_workers import MeshWorkers
from gateway.engine_link.failover_link import FailoverLink
from gateway.engine_link.grpc_link import GrpcEngineLink
from protos.errors import WorkerMismatchError
from router.placement import Placement
from tests.gateway.engine_link.hearing import nothing_is_left, until
from tests.workers.attention.paper_worker import PaperWorker
from workers.attention.service import ServedModel
from workers.membership.members import MeshTopology, WorkerKind, WorkerState, WorkerStatus

OURS = ServedModel("paper", 50, "ours")


class NotingLink(FailoverLink):
    """A real one, and what it was told."""

    def __init__(self) -> None:
        super().__init__(lambda address, changed: GrpcEngineLink(address, changed=changed))
        self.told: list[set[str]] = []

    def set_workers(self, addresses: object) -> None:
        assert isinstance(addresses, set)
        self.told.append(set(addresses))
        super().set_workers(addresses)


def topology(*workers: WorkerStatus, has_placement: bool = True) -> MeshTopology:
    return MeshTopology(workers=workers, placement=Placement(1, (), ()) if has_placement else None)


def status(worker: PaperWorker, state: WorkerState = WorkerState.SERVING, pid: int = 7) -> WorkerStatus:
    return WorkerStatus("a", WorkerKind.ATTENTION, state, address=worker.server.address, pid=pid)


@contextmanager
def papers(*served: ServedModel) -> Iterator[list[PaperWorker]]:
    workers = [PaperWorker(served=each) for each in served]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.shut_down()


def run(case: Callable[[MeshWorkers, NotingLink], Coroutine[None, None, None]]) -> None:
    async def with_link() -> None:
        link = NotingLink()
        workers = MeshWorkers(link, 50, "ours", None)
        try:
            async with asyncio.timeout(60):
                await case(workers, link)
        finally:
            await workers.aclose()
            await link.aclose()
        await nothing_is_left()

    asyncio.run(with_link())


def test_those_that_serve_are_used_and_the_first_one_describes_the_model() -> None:
    with papers(OURS, OURS) as (one, two):

        async def case(workers: MeshWorkers, link: NotingLink) -> None:
            workers.hear(topology(status(one), status(two, WorkerState.STARTING)))
            assert (await workers.first()).context_limit == one.engine.context_limit
            assert link.told[-1] == {one.server.address}
            workers.hear(topology(status(one), status(two)))
            await until(lambda: link.told[-1] == {one.server.address, two.server.address})
            workers.hear(topology(status(one, WorkerState.DRAINING), status(two)))
            assert link.told[-1] == {two.server.address}

        run(case)


def test_before_there_is_a_placement_a_loading_worker_is_not_used() -> None:
    with papers(OURS) as (one,):

        async def case(workers: MeshWorkers, link: NotingLink) -> None:
            workers.hear(topology(status(one, WorkerState.LOADING), has_placement=False))
            await asyncio.sleep(0.2)
            assert link.told[-1] == set()
            workers.hear(topology(status(one, WorkerState.LOADING)))
            await until(lambda: link.told[-1] == {one.server.address})

        run(case)


def test_one_that_does_not_answer_yet_is_asked_again() -> None:
    with papers(OURS) as (one,):
        gone = WorkerStatus("b", WorkerKind.ATTENTION, WorkerState.SERVING, address="127.0.0.1:1", pid=1)

        async def case(workers: MeshWorkers, link: NotingLink) -> None:
            workers.hear(topology(gone))
            await asyncio.sleep(0.8)
            assert link.told[-1] == set()
            workers.hear(topology(status(one)))
            await until(lambda: link.told[-1] == {one.server.address})

        run(case)


@pytest.mark.parametrize(
    "served", [replace(OURS, vocabulary="theirs"), replace(OURS, vocab_size=51)], ids=["words", "size"]
)
def test_a_mesh_with_another_vocabulary_is_refused(
    served: ServedModel, caplog: pytest.LogCaptureFixture
) -> None:
    with papers(served) as (other,), caplog.at_level(logging.CRITICAL):

        async def case(workers: MeshWorkers, link: NotingLink) -> None:
            workers.hear(topology(status(other)))
            with pytest.raises(WorkerMismatchError, match="has another vocabulary than this gateway's"):
                await workers.first()
            assert link.told[-1] == set()

        run(case)


def test_a_worker_that_has_no_tokenizer_is_known_by_its_size_alone() -> None:
    with papers(replace(OURS, vocabulary=None)) as (one,):

        async def case(workers: MeshWorkers, link: NotingLink) -> None:
            workers.hear(topology(status(one)))
            await workers.first()
            assert link.told[-1] == {one.server.address}

        run(case)


def test_a_worker_of_another_model_gets_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with papers(OURS, replace(OURS, fingerprint="tuned")) as (one, other):

        async def case(workers: MeshWorkers, link: NotingLink) -> None:
            workers.hear(topology(status(one)))
            await workers.first()
            workers.hear(topology(status(one), status(other)))
            await until(lambda: "serves the model tuned, and this gateway began with paper" in caplog.text)
            assert link.told[-1] == {one.server.address}

        run(case)


def test_another_process_at_the_same_address_is_asked_anew() -> None:
    with papers(OURS) as (one,):

        async def case(workers: MeshWorkers, link: NotingLink) -> None:
            workers.hear(topology(status(one, pid=7)))
            await workers.first()
            workers.hear(topology(status(one, pid=8)))
            assert link.told[-1] == set()
            await until(lambda: link.told[-1] == {one.server.address})

        run(case)
