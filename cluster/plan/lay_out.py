"""From a model, hardware and wishes to shards that fit: every byte of a device is somebody's, or free.

A device first holds what attention cannot do without: weights, a step, the smallest cache. Then come experts,
and what is left goes to keys and values. Where that is too much it raises DoesNotFitError, which says what is
missing. Not here: what would help (`planner`, which callers outside go through). Pure.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.plan.assignment import assign
from cluster.plan.footprint import CHECKPOINT_VALUE_BYTES
from cluster.plan.hardware import Device, Hardware, Place
from cluster.plan.memory import Memory, process_bytes
from cluster.plan.mesh_plan import MeshPlan, Shard, ShardKind
from cluster.plan.stages import cut_layers
from cluster.plan.wanted import Wanted
from cluster.plan.words import bytes_in_words, counted
from model.config import ModelConfig
from protos.errors import DoesNotFitError
from router.expert_host import ExpertHost
from router.placement import Placement
from router.spread import spread
from workers.cache.page_budget import context_limit

Layers = tuple[int, ...]


def lay_out(config: ModelConfig, hardware: Hardware, wanted: Wanted) -> MeshPlan:
    return _Planner(config, hardware, wanted).plan()


@dataclass(frozen=True, slots=True)
class _Seat:
    """One process with attention, before it is known how large its cache is."""

    replica: int
    stage: int
    layers: Layers
    place: Place

    @property
    def device(self) -> Device:
        return self.place.device

    @property
    def is_first(self) -> bool:
        """Which holds the model's two ends."""
        return self.stage == 0

    @property
    def name(self) -> str:
        """As the controller calls it."""
        return f"attention-{self.replica}" + (f"-stage-{self.stage}" if self.stage else "")


class _Planner:
    def __init__(self, config: ModelConfig, hardware: Hardware, wanted: Wanted) -> None:
        on_gpu = wanted.attention_on_gpu and hardware.has_gpus
        self._config = config
        self._hardware = hardware
        self._wanted = wanted
        value_bytes = wanted.value_bytes or (2 if on_gpu else 4)
        dense_bytes = value_bytes if on_gpu else CHECKPOINT_VALUE_BYTES  # CPU kernels widen as they read
        self._memory = Memory(config, wanted, value_bytes, dense_bytes)
        self._assigned = assign(hardware, wanted)
        self._sharing = Counter(place for replica in self._assigned.attention for place in replica)

    def plan(self) -> MeshPlan:
        stages = cut_layers(self._config, self._wanted.stages, self._tokens_beside_weights)
        seats = self._seats(stages)
        experts = self._expert_shards(self._room_for_experts(seats))
        attention = self._attention_shards(seats, experts)
        layout = self._memory.cache_layout
        num_pages = min(shard.cache_tokens for shard in attention) // layout.page_size
        limit = context_limit(
            self._config.max_positions, num_pages, layout, self._wanted.engine.tokens_per_step
        )
        shards = (*attention, *experts)
        return MeshPlan(
            self._config,
            self._hardware,
            self._wanted,
            self._memory.value_bytes,
            self._memory.dense_bytes,
            stages,
            shards,
            limit,
        )

    def _tokens_beside_weights(self, stage: int, layers: Sequence[int]) -> float:
        """What a stage has room for if there is nothing else on its device."""
        place = self._assigned.attention[0][stage]
        weights = self._memory.attention_weights(layers, is_first=stage == 0)
        free = place.device.memory_bytes / self._sharing[place] - weights
        return free / self._memory.page_bytes(layers)

    def _seats(self, stages: Sequence[Layers]) -> list[_Seat]:
        return [
            _Seat(replica, stage, layers, place)
            for replica, places in enumerate(self._assigned.attention)
            for stage, (layers, place) in enumerate(zip(stages, places, strict=True))
        ]

    def _room_for_experts(self, seats: Sequence[_Seat]) -> dict[Place, int]:
        """Of each device, beside what attention on it cannot do without."""
        room = {place: place.device.memory_bytes for place in (*self._sharing, *self._assigned.experts)}
        for seat in seats:
            weights = self._memory.attention_weights(seat.layers, is_first=seat.is_first)
            itself = self._memory.least_beside_weights(seat.layers, seat.device, is_first=seat.is_first)
            room[seat.place] -= weights + itself
            if room[seat.place] < 0:
                raise DoesNotFitError(
                    f"{seat.name} does not fit on {seat.place} of {seat.place.node}: beside "
                    f"{bytes_in_words(weights)} of weights it takes {bytes_in_words(itself)} for itself, a "
                    f"step and the smallest cache; that is {bytes_in_words(-room[seat.place])} more than the "
                    f"{bytes_in_words(seat.device.memory_bytes)} that are there"
                )
        for number, place in enumerate(self._assigned.experts):
            work = self._memory.expert_work(place.device)
            room[place] -= work
            if room[place] < 0:
                raise DoesNotFitError(
                    f"expert-{number} does not fit on {place} of {place.node} beside the other workers: "
                    f"before it holds any expert it takes {bytes_in_words(work)}, which is "
                    f"{bytes_in_words(-room[place])} too many"
                )
        return room

    def _expert_shards(self, room: Mapping[Place, int]) -> list[Shard]:
        places = self._assigned.experts
        if not places:
            return []
        hosts = self._hosts(room)
        placement = self._spread(hosts)
        shards: list[Shard] = []
        for host, place in zip(hosts, places, strict=True):
            num_pairs = sum(map(len, placement.experts_of(host.name).values()))
            weights, work = num_pairs * self._memory.footprint.expert, self._memory.expert_work(place.device)
            shards.append(Shard(host.name, ShardKind.EXPERTS, place, (), num_pairs, weights, work))
        return shards

    def _hosts(self, room: Mapping[Place, int]) -> list[ExpertHost]:
        """Expert workers with the slots that there is room for; those of one device share it evenly."""
        sharing = Counter(self._assigned.experts)
        most = self._wanted.expert_bytes or max(room.values())
        return [
            ExpertHost(
                f"expert-{number}",
                place.node,
                min(room[place] // sharing[place], most) // self._memory.footprint.expert,
            )
            for number, place in enumerate(self._assigned.experts)
        ]

    def _spread(self, hosts: Sequence[ExpertHost]) -> Placement:
        config, replicas, footprint = self._config, self._wanted.replicas, self._memory.footprint
        try:
            return spread(
                hosts, num_layers=config.num_layers, num_experts=config.num_experts, replicas=replicas
            )
        except DoesNotFitError as error:
            needed = footprint.num_pairs * footprint.expert * replicas
            there = sum(host.num_slots for host in hosts) * footprint.expert
            if needed <= there:
                raise
            num_devices = len(set(self._assigned.experts))
            raise DoesNotFitError(
                f"the experts take {bytes_in_words(needed)} in {counted(replicas, 'replica')}; "
                f"{counted(len(hosts), 'expert worker')} on {counted(num_devices, 'device')} have "
                f"{bytes_in_words(there)} of room"
            ) from error

    def _attention_shards(self, seats: Sequence[_Seat], experts: Sequence[Shard]) -> list[Shard]:
        free = self._free_for_cache(seats, experts)
        most_pages = [
            self._memory.num_pages(
                free[seat.place] // self._sharing[seat.place],
                seat.layers,
                seat.device,
                is_first=seat.is_first,
            )
            for seat in seats
        ]
        num_pages = {
            replica: min(
                most for most, seat in zip(most_pages, seats, strict=True) if seat.replica == replica
            )
            for replica in range(self._wanted.attention)
        }
        return [self._attention_shard(seat, num_pages[seat.replica]) for seat in seats]

    def _free_for_cache(self, seats: Sequence[_Seat], experts: Sequence[Shard]) -> dict[Place, int]:
        """Of each device with attention; the steps themselves come out of it."""
        free = {place: place.device.memory_bytes for place in self._sharing}
        for seat in seats:
            weights = self._memory.attention_weights(seat.layers, is_first=seat.is_first)
            free[seat.place] -= weights + process_bytes(seat.device)
        for shard in experts:
            if shard.place in free:
                free[shard.place] -= shard.num_bytes
        return free

    def _attention_shard(self, seat: _Seat, num_pages: int) -> Shard:
        first_kind = ShardKind.ATTENTION if self._wanted.experts else ShardKind.WHOLE
        kind = first_kind if seat.is_first else ShardKind.STAGE
        return Shard(
            name=seat.name,
            kind=kind,
            place=seat.place,
            layers=seat.layers,
            num_pairs=self._memory.footprint.num_pairs if kind is ShardKind.WHOLE else 0,
            weight_bytes=self._memory.attention_weights(seat.layers, is_first=seat.is_first),
            work_bytes=self._memory.attention_work(seat.device, is_first=seat.is_first),
            cache_bytes=num_pages * self._memory.page_bytes(seat.layers),
            cache_tokens=num_pages * self._memory.cache_layout.page_size,
        )
