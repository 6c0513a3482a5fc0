"""Tells a link which attention workers of a mesh there are, once each has said that it serves our model.

A worker of another model gets nothing: its tokens would mean something else, or a request that goes on there
would change its mind. Not here: following the controller (`mesh_side`). Of one event loop.
"""

import asyncio
import logging
from dataclasses import dataclass

import grpc

from gateway.engine_link.failover_link import FailoverLink
from protos.errors import WorkerMismatchError
from router.channel import TlsFiles
from workers.attention.control import AttentionControl, AttentionDescription
from workers.membership.members import MeshTopology, WorkerKind, WorkerState

logger = logging.getLogger(__name__)

_ANSWER_WITHIN_S = 5.0
_ASK_AGAIN_AFTER_S = 0.5


@dataclass(frozen=True, slots=True)
class _Process:
    """One life of an attention worker."""

    address: str
    pid: int


class MeshWorkers:
    """`hear` the topology whenever it changes; `first` waits for a worker that serves; `aclose`."""

    def __init__(self, link: FailoverLink, vocab_size: int, vocabulary: str, tls: TlsFiles | None) -> None:
        """The last three: of our tokenizer, and with what workers are asked."""
        self._link = link
        self._vocab_size = vocab_size
        self._vocabulary = vocabulary
        self._tls = tls
        self._there: set[_Process] = set()
        self._fit: set[_Process] = set()
        self._asking: dict[_Process, asyncio.Task[None]] = {}
        self._first: asyncio.Future[AttentionDescription] = asyncio.get_running_loop().create_future()

    def hear(self, topology: MeshTopology) -> None:
        self._there = set(_serving(topology))
        for gone in self._asking.keys() - self._there:
            self._asking.pop(gone).cancel()
        for new in self._there - self._asking.keys():
            self._asking[new] = asyncio.create_task(self._ask(new), name=f"ask {new.address}")
        self._tell()

    async def first(self) -> AttentionDescription:
        """Of the first one that serves our model; raises WorkerMismatchError if it serves another."""
        return await asyncio.shield(self._first)

    async def aclose(self) -> None:
        """The link is the caller's."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        self._first.cancel()

    async def _ask(self, worker: _Process) -> None:
        """Until it answers, or is gone."""
        while (said := await asyncio.to_thread(self._described, worker.address)) is None:
            await asyncio.sleep(_ASK_AGAIN_AFTER_S)
        try:
            self._check(worker.address, said)
        except WorkerMismatchError as error:
            logger.error("%s", error)
            if not self._first.done():
                self._first.set_exception(error)
            return
        self._fit.add(worker)
        if not self._first.done():
            self._first.set_result(said)
        self._tell()

    def _described(self, address: str) -> AttentionDescription | None:
        control = AttentionControl(address, self._tls)
        try:
            return control.describe(_ANSWER_WITHIN_S)
        except grpc.RpcError as error:
            logger.debug("the attention worker at %s does not answer: %s", address, error)
            return None
        finally:
            control.close()

    def _check(self, address: str, said: AttentionDescription) -> None:
        if said.vocab_size != self._vocab_size or said.vocabulary not in (None, self._vocabulary):
            raise WorkerMismatchError(
                f"the attention worker at {address} has another vocabulary than this gateway's tokenizer "
                f"({said.vocab_size} tokens, {said.vocabulary or 'unknown'}; here {self._vocab_size}, "
                f"{self._vocabulary}); give the gateway the tokenizer of the model that the mesh serves"
            )
        if self._first.done() and not self._first.cancelled() and self._first.exception() is None:
            ours = self._first.result().model_fingerprint
            if said.model_fingerprint != ours:
                raise WorkerMismatchError(
                    f"the attention worker at {address} serves the model {said.model_fingerprint}, and this "
                    f"gateway began with {ours}; begin the gateway anew if the mesh has another model now"
                )

    def _tell(self) -> None:
        self._fit &= self._there
        self._link.set_workers({worker.address for worker in self._fit})


def _serving(topology: MeshTopology) -> list[_Process]:
    """Those that can take requests; also while experts move, as then they are loading for a moment."""
    states = {WorkerState.SERVING} | ({WorkerState.LOADING} if topology.placement is not None else set())
    return [
        _Process(worker.address, worker.pid)
        for worker in topology.workers
        if worker.kind is WorkerKind.ATTENTION and worker.state in states and worker.address is not None
    ]
