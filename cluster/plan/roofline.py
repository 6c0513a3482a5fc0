"""How long a step of decoding takes at best, by bytes read, operations and round trips.

A roofline: no step can be faster, and kernels reach a part of it. Experts are visited evenly, frames of
different attention workers are not joined, and prefill is left out. Not here: what fits (`lay_out`). Pure.
"""

from dataclasses import dataclass

from cluster.plan.footprint import Footprint
from cluster.plan.hardware import Device, Link, Place
from cluster.plan.mesh_plan import MeshPlan, Shard
from cluster.plan.wire import TokenTraffic, activated_experts
from model.config import LayerKind


@dataclass(frozen=True, slots=True)
class StepTime:
    """Of one attention worker, whose share of all sequences is in the step; all of them run side by side."""

    num_sequences: int  # of the whole mesh
    context: int  # tokens that each of them has in the cache
    attention_s: float
    experts_s: float
    wire_s: float
    step_s: float  # more than the sum where attention workers wait for a device that they share

    @property
    def tokens_per_s(self) -> float:
        return self.num_sequences / self.step_s

    @property
    def is_waiting(self) -> bool:
        return self.step_s > (self.attention_s + self.experts_s + self.wire_s) * 1.001


def step_time(plan: MeshPlan, num_sequences: int, context: int) -> StepTime:
    return _Roofline(plan, num_sequences, context).step_time()


def most_sequences(plan: MeshPlan, context: int) -> int:
    """So many fit into the cache at once."""
    layout_pages = context + min(context, plan.config.sliding_window + plan.wanted.engine.page_size)
    return plan.cache_tokens // layout_pages


class _Roofline:
    def __init__(self, plan: MeshPlan, num_sequences: int, context: int) -> None:
        self._plan = plan
        self._num_sequences = num_sequences
        self._context = context
        self._num_busy = min(plan.wanted.attention, num_sequences)  # attention workers
        self._batch = num_sequences / self._num_busy
        self._footprint = Footprint(plan.config, plan.dense_bytes)

    def step_time(self) -> StepTime:
        plan = self._plan
        alone = [shard for shard in plan.attention if self._replica(shard) == 0]
        attention_s = sum(self._attention_s(shard) for shard in alone)
        hosts = plan.experts or alone
        experts_s = max(self._experts_s(shard) for shard in hosts)
        wire_s = self._wire_s(alone)
        busiest_s = max(self._busy_s(place) for place in plan.places)
        step_s = max(attention_s + experts_s + wire_s, busiest_s)
        return StepTime(self._num_sequences, self._context, attention_s, experts_s, wire_s, step_s)

    def _replica(self, shard: Shard) -> int:
        return self._plan.attention.index(shard) // self._plan.wanted.stages

    def _busy_s(self, place: Place) -> float:
        """What all steps together ask of a device, while every attention worker does one."""
        here = [shard for shard in self._plan.shards if shard.place == place]
        attention_s = sum(self._attention_s(shard) for shard in here if shard.layers)
        num_askers = self._num_busy if self._plan.experts else 1
        return attention_s + num_askers * sum(self._experts_s(shard) for shard in here if shard.num_pairs)

    def _attention_s(self, shard: Shard) -> float:
        config, batch = self._plan.config, self._batch
        is_first = shard.layers[0] == 0
        weights = len(shard.layers) * self._footprint.attention_layer + is_first * self._footprint.unembedding
        positions = sum(self._positions(layer) for layer in shard.layers)
        cache = batch * positions * 2 * config.kv_width * self._plan.value_bytes
        products = 2 * batch * weights / self._plan.dense_bytes
        scores = 4 * batch * positions * config.query_width
        return _seconds(shard.place.device, weights + cache, products + scores)

    def _positions(self, layer: int) -> int:
        if self._plan.config.layer_kinds[layer] is LayerKind.FULL:
            return self._context
        return min(self._context, self._plan.config.sliding_window)

    def _experts_s(self, shard: Shard) -> float:
        """Of all layers together; the replicas of an expert share its visits."""
        config = self._plan.config
        part = shard.num_pairs / self._footprint.num_pairs / self._plan.wanted.replicas
        activated = part * config.num_layers * activated_experts(config, self._batch)
        visits = part * config.num_layers * self._batch * config.experts_per_token
        operations = 6 * config.hidden_size * config.intermediate_size
        return _seconds(shard.place.device, activated * self._footprint.expert, visits * operations)

    def _wire_s(self, attention: list[Shard]) -> float:
        plan = self._plan
        if not plan.experts:
            return 0.0
        traffic = TokenTraffic.of(plan.config, len(plan.experts))
        nodes = {shard.place.node for shard in (*attention, *plan.experts)}
        link = plan.hardware.local if len(nodes) == 1 else plan.hardware.link
        layers_s = plan.config.num_layers * _round_trip_s(link, self._batch * traffic.exact)
        hidden = 2 * self._batch * plan.config.hidden_size * plan.value_bytes
        return layers_s + (len(attention) - 1) * _round_trip_s(link, hidden)


def _seconds(device: Device, num_bytes: float, num_operations: float) -> float:
    return max(num_bytes / device.bandwidth, num_operations / device.flops)


def _round_trip_s(link: Link, num_bytes: float) -> float:
    return link.round_trip_s + num_bytes / link.bandwidth
