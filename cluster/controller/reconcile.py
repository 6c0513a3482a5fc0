"""From what is wanted and what is there to what is to be done: load experts, publish, let experts go.

The order is always the same, because each step waits for what it needs: a worker is told to load what the
goal gives it; a placement names a host only once it holds the expert; and experts are let go only when every
attention worker uses a placement that does not name them. Pure, and without memory: after any failure, and
in any new controller, the same look at the mesh leads to the same next step.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from router.placement import LayerToExperts, Placement

Worker = str
HeldExperts = Mapping[Worker, LayerToExperts]
"""What each worker that answers holds."""


@dataclass(frozen=True, slots=True)
class EpochsInUse:
    """Of the placements by which frames are sent; attention workers and stages without one are not there."""

    heard: tuple[int, ...] = ()
    is_complete: bool = True  # no: there may be others that have not been heard of yet


def loads_needed(goal: Placement, held: HeldExperts) -> dict[Worker, LayerToExperts]:
    """What each worker lacks that the goal gives it; workers that lack nothing are not there."""
    needed: dict[Worker, LayerToExperts] = {}
    for worker, experts in held.items():
        missing = _minus(goal.experts_of(worker), experts)
        if missing:
            needed[worker] = missing
    return needed


def servable(goal: Placement, held: HeldExperts, epoch: int) -> Placement:
    """As much of the goal as is there; an expert that is not stays with whoever holds it."""
    workers = tuple(held)
    has = [
        {(layer, expert) for layer, experts in held[worker].items() for expert in experts}
        for worker in workers
    ]
    numbers = {worker: number for number, worker in enumerate(workers)}
    hosts = []
    for layer, experts in enumerate(goal.hosts):
        hosts_of_layer = []
        for expert, wanted in enumerate(experts):
            pair = (layer, expert)
            names = (goal.workers[each] for each in wanted)
            ready = [numbers[name] for name in names if name in numbers and pair in has[numbers[name]]]
            anyone = ready or [number for number in range(len(workers)) if pair in has[number]]
            hosts_of_layer.append(tuple(sorted(anyone)))
        hosts.append(tuple(hosts_of_layer))
    return Placement(epoch, workers, tuple(hosts))


def differs(published: Placement | None, next_one: Placement) -> bool:
    """Whether attention workers must hear of it: by names, as workers may be numbered anew."""
    return published is None or _by_name(published) != _by_name(next_one)


def retirable(
    goal: Placement, published: Placement, held: HeldExperts, in_use: EpochsInUse
) -> dict[Worker, LayerToExperts]:
    """What each worker keeps that has something to let go, now that nobody asks for it any more."""
    if any(epoch < published.epoch for epoch in in_use.heard):
        return {}
    kept: dict[Worker, LayerToExperts] = {}
    for worker, experts in held.items():
        needed = _plus(goal.experts_of(worker), published.experts_of(worker))
        if _minus(experts, needed):
            kept[worker] = _minus(experts, _minus(experts, needed))
    return kept


def _by_name(placement: Placement) -> list[list[frozenset[Worker]]]:
    return [
        [frozenset(placement.workers[host] for host in hosts) for hosts in experts]
        for experts in placement.hosts
    ]


def _minus(one: LayerToExperts, other: LayerToExperts) -> LayerToExperts:
    left = {
        layer: tuple(expert for expert in experts if expert not in set(other.get(layer, ())))
        for layer, experts in one.items()
    }
    return {layer: experts for layer, experts in left.items() if experts}


def _plus(one: LayerToExperts, other: LayerToExperts) -> LayerToExperts:
    layers = sorted({*one, *other})
    return {layer: tuple(sorted({*one.get(layer, ()), *other.get(layer, ())})) for layer in layers}
