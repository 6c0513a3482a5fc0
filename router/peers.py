"""The workers that an exchange can reach: a lane to each, and the table of who is asked for which expert.

Any thread may bring a new topology; what the lanes say is taken up by the thread that computes, through the
inbox. Not here: frames (`router.exchange`).
"""

import logging
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from router.channel import TlsFiles
from router.host_table import HostTable
from router.lane import Lane, LaneEvent, LaneLost, LaneOpened
from router.placement import Placement
from router.topology import Topology

logger = logging.getLogger(__name__)

_NOBODY_YET = Placement(0, (), ())


@dataclass(frozen=True, slots=True)
class TopologyChanged:
    """There is a newer one than the table was made from."""


PeerEvent = LaneEvent | TopologyChanged


class Peers:
    """`model` and `arithmetic` are what every worker must have; a worker that has others is not asked."""

    def __init__(
        self,
        *,
        model: str,
        arithmetic: str | None,
        max_frame_bytes: int,
        local: str | None,
        tls: TlsFiles | None,
    ) -> None:
        self.inbox: queue.SimpleQueue[PeerEvent] = queue.SimpleQueue()
        self.table = HostTable(_NOBODY_YET, ())
        self._model = model
        self._arithmetic = arithmetic  # None: that of the first worker that greets
        self._max_frame_bytes = max_frame_bytes
        self._local = local
        self._tls = tls
        self._lock = threading.Lock()
        self._lanes: dict[str, Lane] = {}
        self._placement = _NOBODY_YET
        self._newest_epoch = _NOBODY_YET.epoch
        self._open: set[str] = set() if local is None else {local}
        self._suspects: set[str] = set()
        self._worker_to_trouble: dict[str, str] = {}

    @property
    def epoch(self) -> int:
        """Of the table in use."""
        return self.table.placement.epoch

    @property
    def newest_epoch(self) -> int:
        """That the next dispatch goes by; the table follows when there is something to dispatch."""
        return self._newest_epoch

    @property
    def troubles(self) -> Mapping[str, str]:
        """Why each worker that is not asked is not."""
        return self._worker_to_trouble

    def suspect(self, worker: str, silent_s: float) -> None:
        """It is there, and does not answer: it is asked no more until it does."""
        if worker in self._open:
            self._open.discard(worker)
            self._suspects.add(worker)
            self._worker_to_trouble[worker] = f"it has not answered a frame for {silent_s:g} s"
            self._make_table()

    def trust(self, lane: Lane) -> None:
        """It has answered."""
        worker = lane.worker
        if worker in self._suspects and self.lane_of(worker) is lane:
            self._suspects.discard(worker)
            self._worker_to_trouble.pop(worker, None)
            self._open.add(worker)
            self._make_table()

    def lane_of(self, worker: str) -> Lane | None:
        with self._lock:
            return self._lanes.get(worker)

    def update(self, topology: Topology) -> None:
        """From any thread. Lanes to workers that are gone are closed, new ones opened."""
        wanted = {name: address for name, address in topology.addresses.items() if name != self._local}
        with self._lock:
            self._placement = topology.placement
            gone = [lane for lane in self._lanes.values() if wanted.get(lane.worker) != lane.address]
            for lane in gone:
                del self._lanes[lane.worker]
            new = [
                Lane(name, address, self.inbox, max_frame_bytes=self._max_frame_bytes, tls=self._tls)
                for name, address in wanted.items()
                if name not in self._lanes
            ]
            self._lanes.update((lane.worker, lane) for lane in new)
        for lane in gone:
            lane.close()
            self.inbox.put(LaneLost(lane, "the worker is gone, or listens elsewhere now", was_open=False))
        for lane in new:
            lane.start()
        self.inbox.put(TopologyChanged())
        self._newest_epoch = topology.placement.epoch  # not before the next dispatch is sure to hear of it

    def close(self) -> None:
        with self._lock:
            lanes, self._lanes = list(self._lanes.values()), {}
        for lane in lanes:
            lane.close()

    def take(self, event: LaneOpened | LaneLost | TopologyChanged) -> None:
        """On the thread that computes: the table follows what happened."""
        match event:
            case LaneOpened(lane=lane):
                if self.lane_of(lane.worker) is not lane:
                    return
                trouble = self._mismatch(event)
                if trouble is None:
                    self._open.add(lane.worker)
                    self._worker_to_trouble.pop(lane.worker, None)
                else:
                    self._worker_to_trouble[lane.worker] = trouble
                    logger.error("%s", trouble)
            case LaneLost(lane=lane, reason=reason):
                self._open.discard(lane.worker)  # a new lane to it opens after this
                self._suspects.discard(lane.worker)
                self._worker_to_trouble[lane.worker] = reason
            case TopologyChanged():
                with self._lock:
                    known = set(self._placement.workers)
                for worker in self._worker_to_trouble.keys() - known:
                    del self._worker_to_trouble[worker]
        self._make_table()

    def _make_table(self) -> None:
        with self._lock:
            placement = self._placement
        self.table = HostTable(placement, self._open)

    def _mismatch(self, event: LaneOpened) -> str | None:
        """Why this worker is not the one that was expected; None if it is."""
        worker, hello = event.lane.worker, event.hello
        if hello.worker != worker:
            return f"{event.lane.address} is not the worker {worker}, but {hello.worker}"
        if hello.model != self._model:
            return f"worker {worker} serves the model {hello.model}, and this one {self._model}"
        if hello.max_frame_bytes < self._max_frame_bytes:
            return (
                f"worker {worker} takes frames of {hello.max_frame_bytes} bytes, and this one sends up to "
                f"{self._max_frame_bytes}; give all of them one max_frame_bytes"
            )
        if self._arithmetic is None:
            self._arithmetic = hello.arithmetic
        if hello.arithmetic != self._arithmetic:
            return (
                f"worker {worker} computes by {hello.arithmetic!r}, others by {self._arithmetic!r}: tokens "
                f"would depend on who answers; give all of them one kind of machine, or one path of kernels"
            )
        return None
