"""Which device each worker runs on: one of its own as long as there are enough, then shared evenly.

Replicas and expert workers go to different nodes first, the stages of one attention worker stay together.
Not here: whether they fit (`lay_out`). Pure.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from cluster.plan.hardware import Hardware, Place
from cluster.plan.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Assignment:
    """`attention[replica][stage]` and `experts[worker]`."""

    attention: tuple[tuple[Place, ...], ...]
    experts: tuple[Place, ...]


def assign(hardware: Hardware, wanted: Wanted) -> Assignment:
    seats = _Seats()
    for_attention = hardware.devices(gpus=wanted.attention_on_gpu and hardware.has_gpus)
    for_experts = hardware.devices(gpus=wanted.experts_on_gpu and hardware.has_gpus)
    attention = []
    for _ in range(wanted.attention):
        first = seats.take(for_attention)
        later = (seats.take(for_attention, near=first.node) for _ in range(wanted.stages - 1))
        attention.append((first, *later))
    seats.on_node.clear()
    full = {replica[0] for replica in attention}  # the first stage has the model's ends
    experts = tuple(seats.take(for_experts, avoid=full) for _ in range(wanted.experts))
    return Assignment(tuple(attention), experts)


@dataclass(slots=True)
class _Seats:
    """How many workers are on each device, and, of the kind that is being placed, on each node."""

    on_device: Counter[Place] = field(default_factory=Counter)
    on_node: Counter[str] = field(default_factory=Counter)

    def take(
        self, places: tuple[Place, ...], near: str | None = None, avoid: Collection[Place] = ()
    ) -> Place:
        def rank(place: Place) -> tuple[int, bool, bool, int]:
            is_far = near is not None and place.node != near
            return self.on_device[place], is_far, place in avoid, self.on_node[place.node]

        chosen = min(places, key=rank)
        self.on_device[chosen] += 1
        self.on_node[chosen.node] += 1
        return chosen
