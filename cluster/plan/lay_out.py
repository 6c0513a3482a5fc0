"""From a model, hardware and wishes to shards that fit: every byte of a device is somebody's, or free.

A device first holds what attention cannot do without: weights, a step, the smallest cache. Then come experts,
and what is left goes to keys and values. Where that is too much it raises DoesNotFitError, which says what is
missing. Not here: what would help (`planner`, which callers outside go through). Pure.
"""

from collections import Counter
from collections.abc import Sequence

from cluster.plan.assignment import assign
from cluster.plan.catalogue import GB
from cluster.plan.hardware import Hardware, Place
from cluster.plan.memory import Memory, process_bytes
from cluster.plan.mesh_plan import MeshPlan, Shard, ShardKind
from cluster.plan.stages import cut_layers
from cluster.plan.wanted import Wanted
from cluster.plan.words import counted
from model.config import ModelConfig
from protos.errors import DoesNotFitError
from router.expert_host import ExpertHost
from router.spread import spread
from workers.cache.page_budget import context_limit

Layers = tuple[int, ...]


def lay_out(config: ModelConfig, hardware: Hardware, wanted: Wanted) -> MeshPlan:
    return _Planner(config, hardware, wanted).plan()


class _Planner:
    def __init__(self, config: ModelConfig, hardware: Hardware, wanted: Wanted) -> None:
        on_gpu = wanted.attention_on_gpu and hardware.has_gpus
        self._config = config
        self._hardware = hardware
        self._wanted = wanted
        self._memory = Memory(config, wanted, wanted.value_bytes or (2 if on_gpu else 4))
        self._assigned = assign(hardware, wanted)
        self._sharing = Counter(place for replica in self._assigned.attention for place in replica)

    def plan(self) -> MeshPlan:
        stages = cut_layers(self._config, self._wanted.stages, self._tokens_beside_weights)
        room = self._room_for_experts(stages)
        experts = self._expert_shards(room)
        attention = self._attention_shards(stages, experts)
        layout = self._memory.cache_layout
        num_pages = min(shard.cache_tokens for shard in attention) // layout.page_size
        limit = context_limit(
            self._config.max_positions, num_pages, layout, self._wanted.engine.tokens_per_step
        )
        shards = (*attention, *experts)
        return MeshPlan(
            self._config, self._hardware, self._wanted, self._memory.value_bytes, stages, shards, limit
        )

    def _tokens_beside_weights(self, stage: int, layers: Sequence[int]) -> float:
        """What a stage has room for if there is nothing else on its device."""
        place = self._assigned.attention[0][stage]
        weights = self._memory.attention_weights(layers, is_first=stage == 0)
        free = place.device.memory_bytes / self._sharing[place] - weights
        return free / self._memory.page_bytes(layers)

    def _room_for_experts(self, stages: Sequence[Layers]) -> dict[Place, int]:
        """Of each device, beside what attention on it cannot do without."""
        room = {place: place.device.memory_bytes for place in (*self._sharing, *self._assigned.experts)}
        for replica, places in enumerate(self._assigned.attention):
            for stage, (layers, place) in enumerate(zip(stages, places, strict=True)):
                weights = self._memory.attention_weights(layers, is_first=stage == 0)
                least = self._memory.least_cache(layers, place.device, is_first=stage == 0)
                room[place] -= weights + least + process_bytes(place.device)
                if room[place] < 0:
                    raise DoesNotFitError(
                        f"{_name(replica, stage)} does not fit on {place} of {place.node}: beside "
                        f"{weights / GB:.1f} GB of weights it takes "
                        f"{(least + process_bytes(place.device)) / GB:.1f} GB for itself, a step and the "
                        f"smallest cache; that is {-room[place] / GB:.1f} GB more than the "
                        f"{place.device.memory_bytes / GB:.0f} GB that are there"
                    )
        for number, place in enumerate(self._assigned.experts):
            work = self._memory.expert_work(place.device)
            room[place] -= work
            if room[place] < 0:
                raise DoesNotFitError(
                    f"expert-{number} does not fit on {place} of {place.node} beside the other workers: "
                    f"before it holds any expert it takes {work / GB:.1f} GB, which is "
                    f"{-room[place] / GB:.1f} GB too many"
                )
        return room

    def _expert_shards(self, room: dict[Place, int]) -> list[Shard]:
        places = self._assigned.experts
        if not places:
            return []
        config, footprint, sharing = self._config, self._memory.footprint, Counter(places)
        most = self._wanted.expert_bytes or max(room.values())
        hosts = [
            ExpertHost(
                f"expert-{number}",
                place.node,
                max(0, min(room[place] // sharing[place], most) // footprint.expert),
            )
            for number, place in enumerate(places)
        ]
        try:
            placement = spread(
                hosts,
                num_layers=config.num_layers,
                num_experts=config.num_experts,
                replicas=self._wanted.replicas,
            )
        except DoesNotFitError as error:
            needed = footprint.num_pairs * footprint.expert * self._wanted.replicas
            there = sum(host.num_slots for host in hosts) * footprint.expert
            if needed <= there:
                raise
            raise DoesNotFitError(
                f"the experts take {needed / GB:.1f} GB in {counted(self._wanted.replicas, 'replica')}; "
                f"{counted(len(hosts), 'expert worker')} on {counted(len(set(places)), 'device')} have "
                f"{there / GB:.1f} GB of room"
            ) from error
        return [
            Shard(
                name=host.name,
                kind=ShardKind.EXPERTS,
                place=place,
                layers=(),
                num_pairs=(num_pairs := sum(map(len, placement.experts_of(host.name).values()))),
                weight_bytes=num_pairs * footprint.expert,
                work_bytes=self._memory.expert_work(place.device),
            )
            for host, place in zip(hosts, places, strict=True)
        ]

    def _attention_shards(self, stages: Sequence[Layers], experts: Sequence[Shard]) -> list[Shard]:
        free = self._free_for_cache(stages, experts)
        shards: list[Shard] = []
        for replica, places in enumerate(self._assigned.attention):
            num_pages = min(
                self._memory.num_pages(
                    free[place] // self._sharing[place], layers, place.device, is_first=stage == 0
                )
                for stage, (layers, place) in enumerate(zip(stages, places, strict=True))
            )
            shards += (
                self._attention_shard(replica, stage, layers, place, num_pages)
                for stage, (layers, place) in enumerate(zip(stages, places, strict=True))
            )
        return shards

    def _free_for_cache(self, stages: Sequence[Layers], experts: Sequence[Shard]) -> dict[Place, int]:
        """Of each device with attention; the steps themselves come out of it."""
        free = {place: place.device.memory_bytes for place in self._sharing}
        for places in self._assigned.attention:
            for stage, (layers, place) in enumerate(zip(stages, places, strict=True)):
                weights = self._memory.attention_weights(layers, is_first=stage == 0)
                free[place] -= weights + process_bytes(place.device)
        for shard in experts:
            if shard.place in free:
                free[shard.place] -= shard.num_bytes
        return free

    def _attention_shard(
        self, replica: int, stage: int, layers: Layers, place: Place, num_pages: int
    ) -> Shard:
        kind = ShardKind.STAGE if stage else ShardKind.ATTENTION if self._wanted.experts else ShardKind.WHOLE
        return Shard(
            name=_name(replica, stage),
            kind=kind,
            place=place,
            layers=layers,
            num_pairs=self._memory.footprint.num_pairs if kind is ShardKind.WHOLE else 0,
            weight_bytes=self._memory.attention_weights(layers, is_first=stage == 0),
            work_bytes=self._memory.attention_work(place.device, is_first=stage == 0),
            cache_bytes=num_pages * self._memory.page_bytes(layers),
            cache_tokens=num_pages * self._memory.cache_layout.page_size,
        )


def _name(replica: int, stage: int) -> str:
    """As the controller calls them."""
    return f"attention-{replica}-stage-{stage}" if stage else f"attention-{replica}"
